"""Each soft finding of a place as a strip: one dot an image, the limit as a line, what lies beyond it apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from miqa_node.core.domain.rule import ANOMALY
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.drawing import Dot, Drawing, Ink
from miqa_node.core.language.catalogue import numerals, say
from miqa_node.core.taxonomy.lookup import all_finding_names
from miqa_node.core.words.formats import finding, measurement
from miqa_node.features.limits.rows.room_images import RoomImage

WIDTH, HEIGHT, EDGE, DOT, BAD_DOT = 640.0, 56.0, 10.0, 2.6, 4.4
ROWS = 5
"""Dots lie in so many rows, so that equal ones are seen."""
MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class FindingStrip:
    """One finding or measurement of a place; ``limit`` is the place's own, in words, empty if the policy's holds.

    ``beyond`` are the images beyond it, the farthest first.
    """

    title: str
    limit: str
    images: int
    beyond: tuple[RoomImage, ...]
    drawing: Drawing

    @property
    def shown(self) -> tuple[RoomImage, ...]:
        """The first of them."""
        return self.beyond[:MOST_SHOWN]


def strips(images: Sequence[RoomImage], limits: SiteLimits, below: Mapping[str, float]) -> list[FindingStrip]:
    """Those of all that a place learns, what most images lie beyond first; ``below``: -1 where low values are worse."""
    names = sorted({name for one in images for name in one.seen.degrees})
    made = [_strip(name, images, limits, below.get(name, 1.0)) for name in names]
    return sorted(made, key=lambda one: (-len(one.beyond), not one.limit, one.title))


def _strip(name: str, images: Sequence[RoomImage], limits: SiteLimits, sign: float) -> FindingStrip:
    having = sorted((one for one in images if name in one.seen.degrees), key=lambda one: -one.seen.degrees[name])
    own = limits.limit_in_force(name, having[0].kind)
    least = None if own is None else sign * own.least_strength
    beyond = [one for one in having if (name in one.seen.flags if least is None else one.seen.is_beyond(name, least))]
    values = [sign * one.seen.degrees[name] for one in having]
    limit = "" if own is None else _number(name, own.least_strength)
    title = finding(name) if name in all_finding_names() or name == ANOMALY else measurement(name)
    words = {
        "finding": title, "count": len(having), "low": _number(name, min(values)), "high": _number(name, max(values)),
        "median": _number(name, median(values)), "limit": limit, "beyond": len(beyond),
    }  # fmt: skip
    title_of_drawing = (
        say(
            "{finding}: images {count}; {low} to {high}, median {median}; limit {limit}, {beyond} beyond it",
            **words,
        )
        if limit
        else say("{finding}: images {count}; {low} to {high}, median {median}; {beyond} flagged", **words)
    )
    drawing = _drawing(title_of_drawing, values, {*range(len(beyond))}, None if own is None else own.least_strength)
    return FindingStrip(title, limit, len(having), tuple(beyond), drawing)


def _drawing(title: str, values: Sequence[float], beyond: Iterable[int], limit: float | None) -> Drawing:
    """The values in their order; ``beyond`` are places in it."""
    drawing, bad = Drawing(WIDTH, HEIGHT, title), set(beyond)
    every = [*values, *([] if limit is None else [limit])]
    low, span = min(every), (max(every) - min(every)) or 1.0

    def x(value: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (value - low) / span

    drawing.line([(EDGE, HEIGHT - 6.0), (WIDTH - EDGE, HEIGHT - 6.0)], "axis")
    for place, value in enumerate(values):
        ink: Ink = "bad" if place in bad else "data"
        y = 8.0 + (place % ROWS) * (HEIGHT - 24.0) / (ROWS - 1)
        drawing.add(Dot(x(value), y, BAD_DOT if place in bad else DOT, ink))
    drawing.line([(x(median(values)), HEIGHT - 12.0), (x(median(values)), HEIGHT)], "axis")
    if limit is not None:
        drawing.line([(x(limit), 0.0), (x(limit), HEIGHT)], "action")
    return drawing


def _number(name: str, value: float) -> str:
    is_strength = name in all_finding_names() or name == ANOMALY
    return numerals(f"{value:.2f}" if is_strength else shown_number(name, value))
