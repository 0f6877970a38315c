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
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from miqa_node.core.language import local_time
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
    """A column's heading; numbers are right-aligned.

    On a narrow terminal ``whole`` columns never wrap, and cells of ``cut`` ones end with an ellipsis.
    """

    heading: str
    number: bool = False
    whole: bool = False
    cut: bool = False

    def least_width(self, cells: Iterable[str]) -> int:
        """Characters without which a word of it would be broken."""
        words = [word for cell in (self.heading, *(() if self.cut else cells)) for word in cell.split()]
        whole = (self.heading, *cells) if self.whole else ()
        return max(map(cell_len, (*words, *whole)), default=0)


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
    """A table; cells are plain text. Without rows a terminal shows "None." and programs get only the headings.

    A terminal too narrow for the longest words of all columns shows the rows one below the other, headings beside them.
    """
    heads = [column if isinstance(column, Column) else Column(column) for column in columns]
    if not sys.stdout.isatty():
        lines = ["\t".join(head.heading for head in heads)]
        lines += ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
        sys.stdout.write("\n".join(lines) + "\n")
        return

    cells, console = [tuple(row) for row in rows], Console(highlight=False)
    if not cells:
        print_line(f"{title}: none" if title else "None.")
        return
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    widths = _widths(heads, cells, console.width - 2 * len(heads))
    if widths:
        for head, width in zip(heads, widths, strict=True):
            justify: Literal["left", "right"] = "right" if head.number else "left"
            table.add_column(head.heading, justify=justify, overflow="fold", width=width)
        for row in cells:
            table.add_row(*(_text(cell, head) for cell, head in zip(row, heads, strict=True)))
    else:
        table.show_header = False
        for row in cells:
            pairs = [(head, cell) for head, cell in zip(heads, row, strict=True) if cell]
            for head, cell in pairs:
                table.add_row(Text(head.heading, style="bold"), _text(cell, head), end_section=head is pairs[-1][0])
    console.print(table)


def _widths(heads: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """Widths of columns in which no word is broken; empty if they do not fit into ``width``."""
    columns = [[row[n] for row in cells] for n in range(len(heads))]
    least = [head.least_width(column) for head, column in zip(heads, columns, strict=True)]
    spare = width - sum(least)
    needs = [
        max(0, max(map(cell_len, (head.heading, *column))) - lowest)
        for head, column, lowest in zip(heads, columns, least, strict=True)
    ]
    if spare < 0:
        return []
    order = sorted(range(len(heads)), key=needs.__getitem__)
    for place, n in enumerate(order):  # who needs little gets it whole
        extra = min(needs[n], spare // (len(order) - place))
        least[n], spare = least[n] + extra, spare - extra
    return least


def _text(cell: str, head: Column) -> Text:
    cut: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"} if head.cut else {}
    return Text(cell, style=_STYLES.get(cell, ""), **cut)


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
    """A time as every command prints it: on the site's clock, with its zone."""
    return local_time.moment(at) if at else ""


def three_digits(value: float | None) -> str:
    """A number of a table; empty if there is none."""
    return "" if value is None else f"{value:.3f}"


def number(value: float | None, digits: int = 3) -> str:
    """A number of a table; a dash if there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
