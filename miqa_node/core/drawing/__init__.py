"""Small drawings made of lines, boxes, circles and words, written as SVG for pages; the PDF report draws the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

Ink = Literal["grid", "axis", "data", "faint", "band", "target", "action", "bad", "change", "words", "note"]
"""Meanings of shapes; style sheets assign each a colour, for light and dark mode."""
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline; ``x`` runs to the right and ``y`` down, in pixels."""

    points: tuple[tuple[float, float], ...]
    ink: Ink


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; ``hint`` is shown under the pointer."""

    x: float
    y: float
    width: float
    height: float
    ink: Ink
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    ink: Ink
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Text whose baseline starts, is centred, or ends at (x, y)."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    ink: Ink = "words"


@dataclass(frozen=True, slots=True)
class Link:
    """An invisible rectangle that opens an address; ``words`` say what stands there. Only pages have it."""

    x: float
    y: float
    width: float
    height: float
    address: str
    words: str


Shape = Line | Box | Dot | Words | Link


@dataclass(slots=True)
class Drawing:
    """``title`` describes the drawing in a sentence for people who cannot see it."""

    width: float
    height: float
    title: str
    shapes: list[Shape] = field(default_factory=list)

    def line(self, points: Sequence[tuple[float, float]], ink: Ink) -> None:
        """Add a line unless it has no length."""
        if len(points) > 1:
            self.shapes.append(Line(tuple(points), ink))

    def add(self, *shapes: Shape) -> None:
        """Add shapes; later ones cover earlier ones."""
        self.shapes.extend(shapes)


def to_svg(drawing: Drawing) -> str:
    """The drawing as an SVG element for a page; styled by classes only, as the content security policy requires."""
    size = f'viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    shapes = "".join(_element(shape) for shape in drawing.shapes)
    role = "group" if any(isinstance(one, Link) for one in drawing.shapes) else "img"  # a picture has no links in it
    return f'<svg class="figure" {size} role="{role}" aria-label="{escape(drawing.title)}">{shapes}</svg>'


def _element(shape: Shape) -> str:
    match shape:
        case Line(points, ink):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            return f'<polyline class="ink-line {ink}" points="{path}"/>'
        case Box(x, y, width, height, ink, hint):
            size = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
            return f'<rect class="ink {ink}" {size}>{_hint(hint)}</rect>'
        case Dot(x, y, radius, ink, hint):
            return f'<circle class="ink {ink}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{_hint(hint)}</circle>'
        case Words(x, y, text, anchor, ink):
            place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
            return f'<text class="ink-words {ink}" {place}>{escape(text)}</text>'
        case Link(x, y, width, height, address, words):
            size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
            to = f'href="{escape(address)}" aria-label="{escape(words)}"'
            return f'<a class="ink-link" {to}><rect {size}>{_hint(words)}</rect></a>'


def _hint(hint: str) -> str:
    return f"<title>{escape(hint)}</title>" if hint else ""
