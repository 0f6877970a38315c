"""What commands print: rich tables on a terminal, tab-separated lines elsewhere, JSON when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

T = TypeVar("T")

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
    """Heading of a table's column; numbers stand right, and what people copy stays ``whole`` on a narrow terminal."""

    heading: str
    number: bool = False
    whole: bool = False


def to_json(value: Any) -> Any:
    """A domain object as JSON writes it, by the same rules as the REST interface."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - keeps --help fast

    return json.loads(TypeAdapter(type(value)).dump_json(value))


def print_json(value: object) -> None:
    """One JSON document on one line, so that many are JSON lines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_line(*words: str) -> None:
    """Some words with a space between; what is a verdict or a state is coloured on a terminal."""
    if not sys.stdout.isatty():
        sys.stdout.write(" ".join(word for word in words if word) + "\n")
        sys.stdout.flush()
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    line = Text(" ").join(Text(word, style=_STYLES.get(word.strip(), "")) for word in words if word)
    Console(highlight=False, soft_wrap=True).print(line)


def print_table(columns: Sequence[Column | str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table; cells are plain text. Without rows people are told so, and programs get the headings alone."""
    heads = [column if isinstance(column, Column) else Column(column) for column in columns]
    if not sys.stdout.isatty():
        lines = ["\t".join(head.heading for head in heads)]
        lines += ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
        sys.stdout.write("\n".join(lines) + "\n")
        return
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

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


@contextmanager
def progress(items: Sequence[T], what: str) -> Iterator[Iterator[T]]:
    """Iterate over ``items`` with a progress bar on stderr, when the results go elsewhere.

    On a terminal the results themselves show how far it is, and a bar would stand between them.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty() or len(items) < 2:
        yield iter(items)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield iter(bar.track(items))


def error_text(error: Exception) -> str:
    """What to tell of an error: our own sentences as they are, others' without what may quote a data set."""
    from miqa_node.errors import MiqaError  # noqa: PLC0415
    from miqa_node.observe.log import describe_error  # noqa: PLC0415

    return str(error) if isinstance(error, MiqaError) else describe_error(error)


def joined(sentences: Iterable[str]) -> str:
    """Reasons on one line, each once.

    >>> joined(["Black and white are exchanged.", "Motion blur: probability 0.97", "Motion blur: probability 0.97"])
    'Black and white are exchanged; Motion blur: probability 0.97'
    """
    return "; ".join(dict.fromkeys(sentence.removesuffix(".") for sentence in sentences))


def moment(at: datetime | None) -> str:
    """A time as every command prints it."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if at else ""
