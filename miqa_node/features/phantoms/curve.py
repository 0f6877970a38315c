"""Curves of the values of a phantom: small ones for the rows of the log, large ones with dates and the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from miqa_node.core.domain.assessment import number_text
from miqa_node.core.drawing import Anchor, Box, Dot, Drawing, Ink, Words
from miqa_node.core.language.catalogue import numerals, reworded, say, say_number
from miqa_node.features.phantoms.history import PhantomHistory, QualityLevel, ValueLimits
from miqa_node.features.phantoms.titles import title_of
from miqa_node.interfaces.web.html.formats import unit

MOST_POINTS, MOST_DOTS = 40, 1000
"""Of a small curve, and scans of a large one: the newest."""
SMALL, LARGE = (132.0, 30.0), (640.0, 210.0)
LEFT, RIGHT, TOP, BOTTOM = 64.0, 14.0, 12.0, 30.0
MARKS = 4
DAY_WIDTH = 110.0
LEAST_SHARE = 0.02
"""A scale spans at least this share of the values: a steady value is a steady line, not noise that fills the height."""


@dataclass(frozen=True, slots=True)
class ValuePoint:
    """A value of scan ``index``, with the baseline that it is compared with."""

    index: int
    value: float
    baseline: float | None


def small_curve(history: PhantomHistory, name: str) -> Drawing:
    """The newest values, the last one marked, with a line where the baseline begins anew."""
    points = _points(history, name)[-MOST_POINTS:]
    width, height = SMALL
    named = reworded(title_of(name))
    title = say_number("Trend of {title}: {count} scan", "Trend of {title}: {count} scans", len(points), title=named)
    drawing = Drawing(width, height, title)
    if not points:
        return drawing
    low, high = _span([one.value for one in points])
    first, steps = points[0].index, max(points[-1].index - points[0].index, 1)

    def place(one: ValuePoint) -> tuple[float, float]:
        x = 4 + (one.index - first) / steps * (width - 10)
        return x, height - 4 - (one.value - low) / (high - low) * (height - 8)

    for start in history.starts[1:]:
        if start > first:
            x = 4 + (start - 0.5 - first) / steps * (width - 10)
            drawing.line([(x, 2), (x, height - 2)], "change")
    for piece in _pieces(points, history):
        drawing.line([place(one) for one in piece], "data")
    ink: Ink = "bad" if history.level(name) is QualityLevel.FAIL else "data"
    drawing.add(Dot(*place(points[-1]), 3.0, ink))
    return drawing


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
    marks = _marks(*_span([*levels, *(one.baseline for one in points if one.baseline is not None)]))
    low, high = marks[0], marks[-1]
    x, y = _scales(history, first, low, high)
    bottom = height - BOTTOM
    for value in marks:
        drawing.line([(LEFT, y(value)), (width - RIGHT, y(value))], "grid")
        drawing.add(Words(LEFT - 6, y(value) + 4, numerals(number_text(value)) + words, "end", "note"))
    for piece in _pieces(points, history):
        ends = x(piece[0].index) - 3, x(piece[-1].index) + 3
        band, baseline = _band(piece[0].baseline, limits), piece[0].baseline
        if band is not None:
            drawing.add(Box(ends[0], y(band[1]), ends[1] - ends[0], y(band[0]) - y(band[1]), "band"))
        if baseline is not None:
            drawing.line([(ends[0], y(baseline)), (ends[1], y(baseline))], "faint")
    for edge in (limits.low, limits.high) if limits else ():
        if edge is not None and low <= edge <= high:
            drawing.line([(LEFT, y(edge)), (width - RIGHT, y(edge))], "action")
    for start in history.starts[1:]:
        if start <= first:
            continue
        middle = (x(start) + x(start - 1)) / 2
        drawing.line([(middle, TOP), (middle, bottom)], "change")
    for piece in _pieces(points, history):
        drawing.line([(x(one.index), y(one.value)) for one in piece], "data")
    for one in points:
        ink: Ink = "bad" if history.level(name, one.index) is QualityLevel.FAIL else "data"
        day = history.scans[one.index].acquired_at.date()
        drawing.add(Dot(x(one.index), y(one.value), 3.0, ink, f"{day}: {numerals(number_text(one.value))}{words}"))
    _days(drawing, history, points, x, bottom)
    drawing.line([(LEFT, TOP), (LEFT, bottom), (width - RIGHT, bottom)], "axis")
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


def _marks(low: float, high: float) -> list[float]:
    """Some round numbers that include both ends."""
    rough = (high - low) / MARKS
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, last + 1)]


def _scales(
    history: PhantomHistory, first: int, low: float, high: float
) -> tuple[Callable[[int], float], Callable[[float], float]]:
    """Places of scans, by time from one on, and of values."""
    times = [scan.acquired_at.timestamp() for scan in history.scans]
    whole = max(times[-1] - times[first], 1.0)
    width, height = LARGE[0] - LEFT - RIGHT - 12, LARGE[1] - TOP - BOTTOM

    def x(index: int) -> float:
        return LEFT + 6 + (times[index] - times[first]) / whole * width

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * height

    return x, y


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
