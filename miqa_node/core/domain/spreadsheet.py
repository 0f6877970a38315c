"""Cells of files that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence


def safe(text: str) -> str:
    """Text that a spreadsheet does not treat as a formula; header values may contain anything.

    >>> safe("=1+1"), safe("Room 1")
    ("'=1+1", 'Room 1')
    """
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a CSV file, whose texts are :func:`safe`."""
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow([safe(cell) if isinstance(cell, str) else cell for cell in row])
        yield line.getvalue()
