"""The table of docs/reference/phantoms.md, made from the measures; the rest of the page is prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from miqa_node.features.phantoms.measure import PhantomMeasure, measures_in_order

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "phantoms.md"
BEGIN, END = "<!-- measures: begin -->\n", "<!-- measures: end -->\n"


def phantoms_page() -> str:
    """The page as it stands, with its sections of measures made anew."""
    text = PAGE.read_text("utf-8")
    made = "\n".join(line for measure in measures_in_order() for line in _section(measure))
    return re.sub(f"(?<={re.escape(BEGIN)})(.|\n)*(?={re.escape(END)})", lambda _: f"\n{made}\n", text)


def _section(measure: PhantomMeasure) -> Iterator[str]:
    yield f"### {measure.name.replace('_', ' ')}"
    yield ""
    kinds = ", ".join(f"`{one.value}`" for one in sorted(measure.kinds))
    yield f"For {kinds}. *Formula*: {measure.formula}. *Source*: {measure.source}. *Tolerance* of a second program on"
    yield f"the same pixels: {measure.tolerance}."
    yield ""
    yield "| value | unit | definition |"
    yield "|---|---|---|"
    yield from (f"| `{one.name}` | `{one.unit}` | {one.definition} |" for one in measure.values)
    yield ""
