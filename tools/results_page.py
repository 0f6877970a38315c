"""The two tables of codes in docs/reference/results.md, made from what is installed; the rest of the page is prose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.measurand import measurands
from miqa_node.core.taxonomy.base import SCHEME
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.core.words import codes
from miqa_node.core.words.codes import Concept
from miqa_node.core.words.finding_codes import _certainty
from miqa_node.core.words.measurement_codes import _concept, measurement_code

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "results.md"
_TABLE = "(?<={head}\n)(?:\n*\\|.*\n)+"
MEASUREMENTS_HEAD = "| measurement | concept in the report |\n|---|---|"
SCHEME_HEAD = "| code | meaning | definition | kind of |\n|---|---|---|---|"


def results_page() -> str:
    """The page as it stands, with its tables of measurements and of private codes made anew."""
    text = PAGE.read_text("utf-8")
    text = _filled(
        text, MEASUREMENTS_HEAD, (f"| `{one.name}` | {cell(measurement_code(one.name))} |" for one in measurands())
    )
    rows = (f"| `{one.value}` | {one.meaning} | {one.definition} | {cell(one.parent)} |" for one in private_concepts())
    return _filled(text, SCHEME_HEAD, rows)


def private_concepts() -> Iterator[Concept]:
    """All concepts of the scheme 99MIQA: of the node, of findings (a retired one may share one), of measurements."""
    yield from codes.SCHEME_99MIQA
    entries = finding_entries().values()
    yield from dict.fromkeys(_certainty(entry.certainty) for entry in entries if entry.certainty is not None)
    for entry in entries:
        if entry.concept is not None and entry.concept.scheme == SCHEME:
            concept = entry.concept
            yield Concept(concept.value, concept.meaning, concept.definition, entry.code)
    yield from (_concept(one) for one in measurands() if not isinstance(one.code, Code))


def cell(code: Code) -> str:
    """A code as the tables write it."""
    return f"({code.value}, {code.scheme}, {code.meaning})"


def _filled(page: str, head: str, rows: Iterable[str]) -> str:
    table = re.compile(_TABLE.format(head=re.escape(head)))
    if not table.search(page):
        raise ValueError(f"{PAGE} has no table below {head.partition(chr(10))[0]!r}.")
    made = "".join(f"{row}\n" for row in rows)
    return table.sub(lambda _: made, page, count=1)
