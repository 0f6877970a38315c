"""A curve for each measurement of a history: its series, the usual range as a band, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from miqa_node.core.domain.measurand import measurand_of
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.drawing import Box, Dot, Drawing, Ink, Words
from miqa_node.core.language.catalogue import numerals, say
from miqa_node.core.statistics.scales import LEVEL, Scale
from miqa_node.features.usual_ranges.baseline import MeasurementRange
from miqa_node.features.usual_ranges.rows.baselines import RECENT
from miqa_node.features.usual_ranges.rows.changes import ScannerChange
from miqa_node.features.usual_ranges.rows.points import SeriesPoint
from miqa_node.interfaces.web.html.formats import measurement, unit

WIDTH, HEIGHT = 640.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 14.0, 14.0, 24.0
DOT, BAD_DOT = 2.4, 4.0
LEAST_SPAN = timedelta(days=1)


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


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a time and a number lie; numbers go by the scale of their quantity."""

    scale: Scale
    offset: float
    first: datetime
    span: timedelta
    low: float
    high: float

    def x(self, at: datetime) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((at - self.first) / self.span)

    def y(self, number: float) -> float:
        share = (self.scale.even(number, self.offset) - self.low) / (self.high - self.low or 1.0)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _drawing(
    usual: MeasurementRange,
    points: Sequence[SeriesPoint],
    earlier: Sequence[SeriesPoint],
    changes: Sequence[ScannerChange],
) -> Drawing:
    key = usual.measurement, usual.unit
    before, own = ([one for one in of if key in one.numbers] for of in (earlier, points))
    every = [*before, *own]
    frame = _frame(usual, every, [one.numbers[key] for one in every])
    title = say(
        "{measurement}: {count} series, usual {low} to {high} {unit}.",
        measurement=measurement(usual.measurement), count=str(len(every)), unit=unit(usual.unit),
        low=_number(usual, usual.low), high=_number(usual, usual.high),
    )  # fmt: skip
    drawing = Drawing(WIDTH, HEIGHT, title)
    _band(drawing, usual, frame)
    for shift in usual.shifts:
        _change(drawing, frame, shift.at, say("Level changed"))
    for change in changes:
        _change(drawing, frame, change.at, f"{change.attribute}: {change.before or '–'} → {change.now or '–'}")
    for place, one in enumerate(every):
        is_unusual, is_earlier = key in one.unusual, place < len(before)
        number = one.numbers[key]
        ink: Ink = "bad" if is_unusual else "faint" if is_earlier else "data"
        hint = f"{one.at.date()}: {_number(usual, number)} {unit(usual.unit)}".strip()
        drawing.add(Dot(frame.x(one.at), frame.y(number), BAD_DOT if is_unusual else DOT, ink, hint))
    drawing.add(
        Words(LEFT, HEIGHT - 6.0, str(frame.first.date()), "start", "note"),
        Words(WIDTH - RIGHT, HEIGHT - 6.0, str((frame.first + frame.span).date()), "end", "note"),
    )
    return drawing


def _frame(usual: MeasurementRange, every: Sequence[SeriesPoint], numbers: Sequence[float]) -> _Frame:
    of = measurand_of(usual.measurement)
    scale, offset = (of.scale, of.least_spread) if of is not None else (LEVEL, 0.0)
    even = [scale.even(one, offset) for one in (*numbers, usual.low, usual.high)]
    first = min((one.at for one in every), default=usual.since)
    last = max((one.at for one in every), default=usual.since)
    return _Frame(scale, offset, first, max(last - first, LEAST_SPAN), min(even), max(even))


def _band(drawing: Drawing, usual: MeasurementRange, frame: _Frame) -> None:
    top, bottom = sorted((frame.y(usual.high), frame.y(usual.low)))
    drawing.add(Box(LEFT, top, WIDTH - LEFT - RIGHT, max(bottom - top, 1.0), "band"))
    for number in (usual.low, usual.high):
        drawing.add(Words(LEFT - 6.0, frame.y(number) + 4.0, _number(usual, number), "end", "note"))


def _change(drawing: Drawing, frame: _Frame, at: datetime, hint: str) -> None:
    x = frame.x(at)
    drawing.line([(x, TOP), (x, HEIGHT - BOTTOM)], "change")
    drawing.add(Dot(x, TOP, DOT, "change", f"{at.date()}: {hint}"))


def _number(usual: MeasurementRange, number: float) -> str:
    return numerals(shown_number(usual.measurement, number))
