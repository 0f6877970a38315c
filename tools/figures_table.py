"""Tables of the page of figures: Markdown, three digits, a dash where a card says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from miqa_node.interfaces.cli.output import number

Figures = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table, and an empty one."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return [*lines, ""]


def percent(value: float | None) -> str:
    """Of a share in [0, 1]."""
    return "–" if value is None else f"{100 * value:.1f} %"


def with_interval(value: float | None, interval: Sequence[float | None]) -> str:
    """A value with its lower and upper limit, where there are any."""
    low, high = interval
    if value is None or low is None or high is None:
        return number(value)
    return f"{value:.3f} ({low:.3f}–{high:.3f})"
