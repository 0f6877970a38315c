"""A curve for each measurement of a history: its series, the usual range as a band, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.drawing import Dot, Drawing, Ink, Words
from miqa_node.core.drawing.frame import Frame
from miqa_node.core.language.catalogue import numerals, say
from miqa_node.core.words.formats import measurement, unit
from miqa_node.features.usual_ranges.baseline import MeasurementRange
from miqa_node.features.usual_ranges.page.frame import LEAST_BAND, frame_of
from miqa_node.features.usual_ranges.rows.baselines import RECENT
from miqa_node.features.usual_ranges.rows.changes import ScannerChange
from miqa_node.features.usual_ranges.rows.points import SeriesPoint

WIDTH, HEIGHT = 640.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 14.0, 14.0, 24.0
DOT, BAD_DOT = 2.4, 4.0


@dataclass(frozen=True, slots=True)
class RangeCurve:
    """The curve of one measurement; ``unusual`` counts its unusual series of the last 30 days of the history."""

    range: MeasurementRange
    drawing: Drawing
    unusual: int


def curves(
    ranges: Sequence[MeasurementRange],
    points: Sequence[SeriesPoint],
    earlier: Sequence[SeriesPoint],
    changes: Sequence[ScannerChange],
) -> list[RangeCurve]:
    """The curves of a history, what is unusual first and what changed its level next.

    ``earlier`` are series of the history before it, which a change of software or device ended.
    """
    made = [RangeCurve(one, _drawing(one, points, earlier, changes), _unusual(one, points)) for one in ranges]
    return sorted(made, key=lambda one: (-one.unusual, not one.range.shifts, one.range.measurement))


def _unusual(usual: MeasurementRange, points: Sequence[SeriesPoint]) -> int:
    key, since = (usual.measurement, usual.unit), points[-1].at - RECENT if points else usual.since
    return sum(key in one.unusual and one.at >= since for one in points)


def _drawing(
    usual: MeasurementRange,
    points: Sequence[SeriesPoint],
    earlier: Sequence[SeriesPoint],
    changes: Sequence[ScannerChange],
) -> Drawing:
    key = usual.measurement, usual.unit
    before, own = ([one for one in of if key in one.numbers] for of in (earlier, points))
    every = [*before, *own]
    title = say(
        "{measurement}: {count} series, usual {low} to {high} {unit}.",
        measurement=measurement(usual.measurement), count=str(len(every)), unit=unit(usual.unit),
        low=_number(usual, usual.low), high=_number(usual, usual.high),
    )  # fmt: skip
    drawing = Drawing(WIDTH, HEIGHT, title)
    times, numbers = [one.at for one in every] or [usual.since], [one.numbers[key] for one in every]
    edges = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    frame = frame_of(usual.measurement, times, (*numbers, usual.low, usual.high), drawing, edges)
    frame.band(edges[:2], usual.low, usual.high, LEAST_BAND)
    for number in (usual.low, usual.high):
        drawing.add(Words(LEFT - 6.0, frame.y(number) + 4.0, _number(usual, number), "end", "note"))
    for shift in usual.shifts:
        _change(frame, shift.at, say("Level changed"))
    for change in changes:
        _change(frame, change.at, f"{change.attribute}: {change.before or '–'} → {change.now or '–'}")
    for place, (one, number) in enumerate(zip(every, numbers, strict=True)):
        is_unusual, is_earlier = key in one.unusual, place < len(before)
        ink: Ink = "bad" if is_unusual else "faint" if is_earlier else "data"
        hint = f"{one.at.date()}: {_number(usual, number)} {unit(usual.unit)}".strip()
        drawing.add(Dot(frame.x(one.at), frame.y(number), BAD_DOT if is_unusual else DOT, ink, hint))
    drawing.add(
        Words(LEFT, HEIGHT - 6.0, str(frame.first.date()), "start", "note"),
        Words(WIDTH - RIGHT, HEIGHT - 6.0, str(frame.last.date()), "end", "note"),
    )
    return drawing


def _change(frame: Frame[datetime], at: datetime, hint: str) -> None:
    frame.change(at)
    frame.drawing.add(Dot(frame.x(at), TOP, DOT, "change", f"{at.date()}: {hint}"))


def _number(usual: MeasurementRange, number: float) -> str:
    return numerals(shown_number(usual.measurement, number))
