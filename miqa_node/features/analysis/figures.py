"""The figures of the analysis: shares with intervals, time courses, reliability, places on a detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from miqa_node.core.drawing import Box, Dot, Drawing, Ink, Link, Words
from miqa_node.core.drawing.frame import Frame, round_marks
from miqa_node.core.language.catalogue import numerals, say
from miqa_node.libraries.plain_statistics.charts import Chart
from miqa_node.libraries.plain_statistics.rates import Rate

WIDTH = 640.0
MARKS = 5
"""About so many numbers stand beside a figure."""
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 14.0, 30.0
BAR_HEIGHT = 31.0
"""A bar that leads to its exposures is a target of at least 24 px on the narrowest page."""
LABEL_CHARACTERS = 40
CHARACTER = 8.0
"""Width of a character at the size of labels, capitals among them."""
LEAST_TO_SCALE = 20
"""With fewer images, the interval may extend beyond the axis; shares never do."""
LEAST_REACH = 1.0
"""Percent that bars reach at least: shares can all be zero."""
LEAST_TO_JOIN = 5
"""Points of a curve with fewer images are pale and not connected."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A share in percent with its interval; ``address`` has what it counts, if a page does."""

    label: str
    rate: Rate
    ink: Ink = "data"
    address: str = ""


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """A value at a time, with limits if it has any; None is a gap."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    ink: Ink = "data"


def bars(title: str, rows: Sequence[Bar], lines: Sequence[tuple[float, Ink]] = ()) -> Drawing:
    """Horizontal bars in percent, each with the interval of its share; ``lines`` are target and action line."""
    words = [_share_words(row.rate) for row in rows]
    left, right = (
        18.0 + CHARACTER * max([0, *map(len, texts)]) for texts in ([_short(row.label) for row in rows], words)
    )
    height = TOP + BAR_HEIGHT * len(rows) + BOTTOM
    drawing = Drawing(WIDTH, height, title)
    furthest = max([LEAST_REACH, *(_reach(row.rate) for row in rows), *(value for value, _ in lines)])
    # Long labels, as in German, leave little room: fewer marks then, whose words do not meet.
    fitting = int((WIDTH - left - right) // (CHARACTER * len("12.5 %") * 1.5))
    marks = round_marks(0.0, min(furthest, 100.0), max(1, min(MARKS, fitting)))
    most = marks[-1]

    def x(percent: float) -> float:
        return left + min(percent / most, 1.0) * (WIDTH - left - right)

    bottom = TOP + BAR_HEIGHT * len(rows)
    for mark in marks:
        drawing.line([(x(mark), TOP), (x(mark), bottom)], "grid")
        drawing.add(Words(x(mark), bottom + 16, numerals(f"{mark:g} %"), "middle", "note"))
    for number, row in enumerate(rows):
        middle = TOP + BAR_HEIGHT * (number + 0.5)
        drawing.add(Words(left - 8, middle + 4, _short(row.label), "end"))
        if row.rate.share is None or row.rate.low is None or row.rate.high is None:
            continue
        share, low, high = (100.0 * value for value in (row.rate.share, row.rate.low, row.rate.high))
        drawing.add(Box(left, middle - 7, x(share) - left, 14.0, row.ink, f"{row.label}: {words[number]}"))
        drawing.line([(x(low), middle), (x(high), middle)], "axis")
        drawing.add(Words(WIDTH - right + 8, middle + 4, words[number], "start", "note"))
    for value, ink in lines:
        drawing.line([(x(value), TOP - 4), (x(value), bottom)], ink)
    drawing.line([(left, TOP), (left, bottom)], "axis")
    for number, row in enumerate(rows):
        if row.address:
            what = say("{label}: show the exposures", label=row.label or say("not given"))
            drawing.add(Link(0.0, TOP + BAR_HEIGHT * number, WIDTH, BAR_HEIGHT, row.address, what))
    return drawing


def course(
    title: str,
    points: Sequence[CoursePoint],
    unit: str,
    *,
    lines: Sequence[tuple[float, Ink, str]] = (),
    mean: Sequence[float | None] = (),
    changes: Sequence[int] = (),
    zero: bool = True,
    height: float = 220.0,
) -> Drawing:
    """Values over time.

    The band shows the limits of each value, ``mean`` is a second line, ``changes`` are change points of the process.
    """
    drawing = Drawing(WIDTH, height, title)
    right = WIDTH - RIGHT - max([CHARACTER * len(words) for _, _, words in lines] or [0.0])
    levels = [v for p in points for v in (p.value, p.high, p.low) if v is not None] + [value for value, _, _ in lines]
    low, high = min([0.0, *levels] if zero else levels or [0.0]), max(levels or [1.0])
    marks = round_marks(low, high, MARKS)
    bottom, last = height - BOTTOM, max(len(points), 1) - 0.5
    frame = Frame(drawing, (LEFT, right, TOP, bottom), -0.5, last, min(low, marks[0]), max(high, marks[-1]))
    x, y = frame.x, frame.y
    frame.grid(marks, lambda mark: numerals(f"{mark:g}{unit}"))
    for i, point in enumerate(points):
        if point.low is not None and point.high is not None:
            frame.band((x(i - 0.5), x(i + 0.5)), point.low, point.high)
    for value, ink, words in lines:
        drawing.line([(LEFT, y(value)), (right, y(value))], ink)
        drawing.add(Words(right + 6, y(value) + 4, words, "start", "note"))
    for index in changes:
        frame.change(index - 0.5)
    for piece in _pieces([None if v is None else (x(i), y(v)) for i, v in enumerate(mean)]):
        drawing.line(piece, "faint")
    for piece in _pieces([None if p.value is None else (x(i), y(p.value)) for i, p in enumerate(points)]):
        drawing.line(piece, "data")
    for i, point in enumerate(points):
        if point.value is not None:
            radius = 4.0 if point.ink == "bad" else 2.5
            drawing.add(
                Dot(x(i), y(point.value), radius, point.ink, numerals(f"{point.label}: {point.value:.3g}{unit}"))
            )
    for i in _label_places(len(points)):
        drawing.add(Words(x(i), bottom + 18, points[i].label, "middle", "note"))
    frame.axis()
    return drawing


def control_chart(title: str, labels: Sequence[str], chart: Chart, *, height: float = 180.0) -> Drawing:
    """A p-chart in percent with limits, weighted mean and change points; values beyond the limits are highlighted."""
    points = [
        CoursePoint(label, _percent(p.share), _percent(p.low), _percent(p.high), "bad" if p.outside else "data")
        for label, p in zip(labels, chart.points, strict=True)
    ]
    centre: list[tuple[float, Ink, str]] = []
    if chart.centre is not None:
        centre = [
            (100.0 * chart.centre, "axis", say("usual {share} %", share=numerals(_figures(100.0 * chart.centre))))
        ]
    mean = [100.0 * p.ewma if p.share is not None else None for p in chart.points]
    changes = [change.index for change in chart.changes]
    return course(title, points, " %", lines=centre, mean=mean, changes=changes, height=height)


def reliability(title: str, points: Sequence[tuple[float, Rate]]) -> Drawing:
    """Predicted probability (x) and the share that people confirmed (y); on the diagonal both are equal."""
    side = 260.0
    drawing = Drawing(side + LEFT + 2 * RIGHT, side + TOP + BOTTOM + TOP, title)

    def place(across: float, up: float) -> tuple[float, float]:
        return LEFT + across * side, TOP + (1.0 - up) * side

    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawing.line([place(0, mark), place(1, mark)], "grid")
        drawing.add(Words(LEFT - 6, place(0, mark)[1] + 4, f"{100 * mark:g} %", "end", "note"))
        drawing.add(Words(place(mark, 0)[0], TOP + side + 18, f"{100 * mark:g} %", "middle", "note"))
    drawing.line([place(0, 0), place(1, 1)], "faint")
    curve = [(p, rate) for p, rate in points if rate.share is not None]
    drawing.line([place(p, rate.share or 0.0) for p, rate in curve if rate.total >= LEAST_TO_JOIN], "data")
    for p, rate in curve:
        hint = say(
            "said {share} %, confirmed {count} of {total}", share=f"{100 * p:.0f}", count=rate.count, total=rate.total
        )
        if rate.total < LEAST_TO_JOIN:
            drawing.add(Dot(*place(p, rate.share or 0.0), 2.5, "faint", hint))
            continue
        drawing.line([place(p, rate.low or 0.0), place(p, rate.high or 0.0)], "axis")
        drawing.add(Dot(*place(p, rate.share or 0.0), 3.5, "data", hint))
    drawing.line([place(0, 1), place(0, 0), place(1, 0)], "axis")
    drawing.add(Words(LEFT, TOP - 4, say("Confirmed by people"), "start", "note"))
    drawing.add(Words(LEFT + side, TOP + side + 34, say("Said by the model"), "end", "note"))
    return drawing


def places(title: str, spots: Sequence[tuple[float, float]]) -> Drawing:
    """Places on a detector, as fractions of its width and height."""
    side = 140.0
    drawing = Drawing(side, side, title)
    drawing.add(Box(1, 1, side - 2, side - 2, "band"))
    drawing.line([(1, 1), (side - 1, 1), (side - 1, side - 1), (1, side - 1), (1, 1)], "axis")
    for x, y in spots:
        drawing.add(Dot(1 + x * (side - 2), 1 + y * (side - 2), 6.0, "bad"))
    return drawing


def _pieces(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            pieces.append([])
        else:
            pieces[-1].append(point)
    return [piece for piece in pieces if piece]


def _label_places(count: int, most: int = 8) -> list[int]:
    step = max(math.ceil(count / most), 1)
    return list(range(0, count, step))


def _share_words(rate: Rate) -> str:
    """A share with its numbers; empty if it is not known."""
    if rate.share is None:
        return ""
    share = numerals(f"{100.0 * rate.share:.1f} %")
    return say("{share} ({count} of {total})", share=share, count=rate.count, total=rate.total)


def _reach(rate: Rate) -> float:
    """Right end of the space that a bar needs, in percent."""
    end = rate.high if rate.total >= LEAST_TO_SCALE else rate.share
    return 100.0 * (end or 0.0)


def _figures(value: float) -> str:
    """At least two significant digits, and never an exponent.

    >>> _figures(100.0), _figures(7.24), _figures(0.0751), _figures(0.0)
    ('100', '7.2', '0.075', '0')
    """
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}" if value > 0.0 else "0"


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def _short(text: str) -> str:
    text = text or say("not given")
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1] + "…"
