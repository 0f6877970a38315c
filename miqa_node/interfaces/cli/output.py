"""What commands print: rich tables on a terminal, tab-separated lines elsewhere, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from miqa_node.core.observe.log import describe_error
from miqa_node.errors import MiqaError

_STYLES = {
    "ACCEPT": "green",
    "REVIEW": "yellow",
    "REJECT": "bold red",
    "NOT_ASSESSED": "dim",
    "ok": "green",
    "fail": "bold red",
    "FAILED": "bold red",
    "SENT": "green",
    "COMMITTED": "green",
    "error": "bold red",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; numbers are right-aligned, and ``whole`` columns never wrap on a narrow terminal."""

    heading: str
    number: bool = False
    whole: bool = False


def to_json(value: Any) -> Any:
    """A domain object as JSON, by the same rules as the REST interface."""
    return json.loads(TypeAdapter(type(value)).dump_json(value))


def print_json(value: object) -> None:
    """Print one JSON document on one line, so that several make JSON Lines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_line(*words: str) -> None:
    """Print words separated by spaces; verdicts and states are coloured on a terminal."""
    if not sys.stdout.isatty():
        sys.stdout.write(" ".join(word for word in words if word) + "\n")
        sys.stdout.flush()
        return

    line = Text(" ").join(Text(word, style=_STYLES.get(word.strip(), "")) for word in words if word)
    Console(highlight=False, soft_wrap=True).print(line)


def print_table(columns: Sequence[Column | str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table; cells are plain text. Without rows a terminal shows "None." and programs get only the headings."""
    heads = [column if isinstance(column, Column) else Column(column) for column in columns]
    if not sys.stdout.isatty():
        lines = ["\t".join(head.heading for head in heads)]
        lines += ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
        sys.stdout.write("\n".join(lines) + "\n")
        return

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        justify: Literal["left", "right"] = "right" if head.number else "left"
        table.add_column(head.heading, justify=justify, overflow="fold", no_wrap=head.whole)
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    if not table.row_count:
        print_line(f"{title}: none" if title else "None.")
        return
    Console(highlight=False).print(table)


def error_text(error: Exception) -> str:
    """The text of an error; errors of other libraries without their message, which may quote a data set."""
    return str(error) if isinstance(error, MiqaError) else describe_error(error)


def joined(sentences: Iterable[str]) -> str:
    """Distinct reasons on one line.

    >>> joined(["Black and white are exchanged.", "Motion blur: probability 0.97", "Motion blur: probability 0.97"])
    'Black and white are exchanged; Motion blur: probability 0.97'
    """
    return "; ".join(dict.fromkeys(sentence.removesuffix(".") for sentence in sentences))


def moment(at: datetime | None) -> str:
    """A time as every command prints it."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if at else ""


def three_digits(value: float | None) -> str:
    """A number of a table; empty if there is none."""
    return "" if value is None else f"{value:.3f}"


def number(value: float | None, digits: int = 3) -> str:
    """A number of a table; a dash if there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
