"""Cells of files that people open in a spreadsheet."""

from __future__ import annotations


def safe(text: str) -> str:
    """Text that a spreadsheet does not treat as a formula; header values may contain anything.

    >>> safe("=1+1"), safe("Room 1")
    ("'=1+1", 'Room 1')
    """
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
