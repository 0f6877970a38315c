"""The small curve beside a number of an image: how this measurement went on its machine, up to that image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.drawing import Dot, Drawing
from miqa_node.core.language.catalogue import numerals, say
from miqa_node.core.words.formats import measurement, unit
from miqa_node.features.usual_ranges.baseline import MeasurementRange
from miqa_node.features.usual_ranges.page.frame import LEAST_BAND, frame_of
from miqa_node.features.usual_ranges.rows import baselines, points
from miqa_node.features.usual_ranges.rows.points import Key, SeriesPoint
from miqa_node.interfaces.web.card import CardContext, NumberOfImage

WIDTH, HEIGHT, MARGIN = 96.0, 28.0, 4.0
DOT = 3.0
MOST_SERIES = 40
"""More are a smear in so small a drawing."""
LEAST_SERIES = 3
"""Fewer are no curve."""


@dataclass(frozen=True, slots=True)
class ImageHistory:
    """The series of an image in the history of its machine: those before it in order of time, itself at the end."""

    baseline: str
    series: Sequence[SeriesPoint]
    ranges: Sequence[MeasurementRange]


def small_curves(context: CardContext, numbers: Sequence[NumberOfImage]) -> list[dict[str, object] | None]:
    """For each number its curve, and the history that it is of; None without a history, or with too short a one."""
    histories = _histories(context, {one.instance.digest for one in numbers})
    return [_values(histories.get(one.instance.digest), (one.measurement, one.unit)) for one in numbers]


def _histories(context: CardContext, digests: set[InstanceDigest]) -> dict[InstanceDigest, ImageHistory]:
    with context.services.database.begin() as transaction:
        own = baselines.own_rows(transaction, digests)
        newest = {row.baseline: row.at for row in sorted(own.values(), key=lambda row: row.at)}
        ranges = baselines.ranges(transaction, newest)
        series = {
            one: points.newest_points(transaction, one, MOST_SERIES, until=until) for one, until in newest.items()
        }
    return {
        digest: ImageHistory(
            row.baseline, [one for one in series[row.baseline] if one.at <= row.at], ranges[row.baseline]
        )
        for digest, row in own.items()
    }


def _values(history: ImageHistory | None, key: Key) -> dict[str, object] | None:
    if history is None:
        return None
    shown = [one for one in history.series if key in one.numbers]
    if len(shown) < LEAST_SERIES:
        return None
    usual = next((one for one in history.ranges if (one.measurement, one.unit) == key), None)
    return {"baseline": history.baseline, "drawing": drawing_of(key, shown, usual)}


def drawing_of(key: Key, series: Sequence[SeriesPoint], usual: MeasurementRange | None) -> Drawing:
    """A line through the series, the usual range as a band, and the newest series as a dot."""
    name, of_unit = key
    numbers = [one.numbers[key] for one in series]
    low, high = (min(numbers), max(numbers)) if usual is None else (usual.low, usual.high)
    values = {
        "measurement": measurement(name), "count": len(numbers), "unit": unit(of_unit),
        "low": numerals(shown_number(name, low)), "high": numerals(shown_number(name, high)),
    }  # fmt: skip
    title = (
        say("{measurement}: the last {count} series of this machine, {low} to {high} {unit}", **values)
        if usual is None
        else say("{measurement}: the last {count} series of this machine, usual {low} to {high} {unit}", **values)
    )
    drawing = Drawing(WIDTH, HEIGHT, title.rstrip())
    edges = MARGIN, WIDTH - MARGIN, MARGIN, HEIGHT - MARGIN
    frame = frame_of(name, [one.at for one in series], (*numbers, low, high), drawing, edges)
    if usual is not None:
        frame.band(edges[:2], low, high, LEAST_BAND)
    places = [(frame.x(one.at), frame.y(number)) for one, number in zip(series, numbers, strict=True)]
    drawing.line(places, "data")
    drawing.add(Dot(*places[-1], DOT, "bad" if key in series[-1].unusual else "data"))
    return drawing
