"""Curves of the values of a phantom: small ones for the rows of the log, large ones with dates and the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from miqa_node.core.domain.assessment import number_text
from miqa_node.core.drawing import Anchor, Dot, Drawing, Ink, Words
from miqa_node.core.drawing.frame import Frame, round_marks
from miqa_node.core.language.catalogue import numerals, reworded, say
from miqa_node.core.words.formats import unit
from miqa_node.features.phantoms.history import PhantomHistory, QualityLevel, ValueLimits
from miqa_node.features.phantoms.titles import title_of

MOST_DOTS = 1000
"""Scans of a curve: the newest."""
LARGE = (640.0, 210.0)
LEFT, RIGHT, TOP, BOTTOM = 64.0, 14.0, 12.0, 30.0
MARKS = 4
ROOM = 6.0
"""Before the first scan of a curve, and after the last."""
DAY_WIDTH = 110.0
LEAST_SHARE = 0.02
"""A scale spans at least this share of the values: a steady value is a steady line, not noise that fills the height."""


@dataclass(frozen=True, slots=True)
class ValuePoint:
    """A value of scan ``index``, with the baseline that it is compared with."""

    index: int
    value: float
    baseline: float | None


def large_curve(history: PhantomHistory, name: str) -> Drawing:
    """All values over time with the band that the limits leave around the baseline, and what was changed when."""
    first = max(0, len(history.scans) - MOST_DOTS)
    points, limits = [one for one in _points(history, name) if one.index >= first], history.limits_of(name)
    width, height = LARGE
    words = _unit(history.units.get(name, ""))
    title = say("{title} over time, with its baseline", title=reworded(title_of(name)))
    drawing = Drawing(width, height, title)
    if not points:
        return drawing
    bands = [_band(one.baseline, limits) for one in points]
    levels = [one.value for one in points] + [edge for band in bands if band for edge in band]
    marks = round_marks(*_span([*levels, *(one.baseline for one in points if one.baseline is not None)]), MARKS)
    low, high = marks[0], marks[-1]
    times = [scan.acquired_at for scan in history.scans]
    frame = _frame(drawing, times[first], times[-1], low, high)
    y = frame.y

    def x(index: int) -> float:
        return frame.x(times[index])

    frame.grid(marks, lambda value: numerals(number_text(value)) + words)
    for piece in _pieces(points, history):
        ends = x(piece[0].index) - 3, x(piece[-1].index) + 3
        band, baseline = _band(piece[0].baseline, limits), piece[0].baseline
        if band is not None:
            frame.band(ends, *band)
        if baseline is not None:
            drawing.line([(ends[0], y(baseline)), (ends[1], y(baseline))], "faint")
    for edge in (limits.low, limits.high) if limits else ():
        if edge is not None and low <= edge <= high:
            drawing.line([(LEFT, y(edge)), (width - RIGHT, y(edge))], "action")
    for start in history.starts[1:]:
        if start > first:
            frame.change(times[start - 1] + (times[start] - times[start - 1]) / 2)
    for piece in _pieces(points, history):
        drawing.line([(x(one.index), y(one.value)) for one in piece], "data")
    for one in points:
        ink: Ink = "bad" if history.level(name, one.index) is QualityLevel.FAIL else "data"
        day = history.scans[one.index].acquired_at.date()
        drawing.add(Dot(x(one.index), y(one.value), 3.0, ink, f"{day}: {numerals(number_text(one.value))}{words}"))
    _days(drawing, history, points, x, height - BOTTOM)
    frame.axis()
    return drawing


def _points(history: PhantomHistory, name: str) -> list[ValuePoint]:
    return [
        ValuePoint(index, scan.numbers[name], history.baseline(name, index))
        for index, scan in enumerate(history.scans)
        if name in scan.numbers
    ]


def _pieces(points: Sequence[ValuePoint], history: PhantomHistory) -> list[list[ValuePoint]]:
    """Points with a baseline of their own each."""
    pieces: dict[int, list[ValuePoint]] = {}
    for one in points:
        pieces.setdefault(history.start(one.index), []).append(one)
    return list(pieces.values())


def _band(baseline: float | None, limits: ValueLimits | None) -> tuple[float, float] | None:
    """What the limits leave around the baseline; None without such limits."""
    reach = None if limits is None else limits.fail_reach if limits.fail_reach is not None else limits.warn_reach
    return None if baseline is None or reach is None else (baseline - reach, baseline + reach)


def _span(levels: Sequence[float]) -> tuple[float, float]:
    low, high = min(levels), max(levels)
    least = max(LEAST_SHARE * max(abs(low), abs(high)), 1e-9)
    if high - low < least:
        middle = (low + high) / 2
        return middle - least / 2, middle + least / 2
    return low, high


def _frame(drawing: Drawing, first: datetime, last: datetime, low: float, high: float) -> Frame[datetime]:
    """The frame of a large curve, with some room before the first scan and after the last."""
    width = LARGE[0] - LEFT - RIGHT
    whole = max(last - first, timedelta(seconds=1))
    room = whole * ROOM / (width - 2 * ROOM)
    edges = LEFT, LEFT + width, TOP, LARGE[1] - BOTTOM
    return Frame(drawing, edges, first - room, first + whole + room, low, high)


def _days(
    drawing: Drawing, history: PhantomHistory, points: Sequence[ValuePoint], x: Callable[[int], float], bottom: float
) -> None:
    """Dates below the axis, as many as have room."""
    free = 0.0
    for one in points:
        if x(one.index) >= free:
            anchor: Anchor = "end" if x(one.index) > drawing.width - RIGHT - 40 else "middle"
            day = f"{history.scans[one.index].acquired_at:%Y-%m-%d}"
            drawing.add(Words(x(one.index), bottom + 18, day, anchor, "note"))
            free = x(one.index) + DAY_WIDTH


def _unit(ucum: str) -> str:
    return f" {unit(ucum)}" if unit(ucum) else ""
