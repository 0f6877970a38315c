"""Loaded by miqa_node in the copy: which mutants have been reached, a byte each, in memory that all processes share."""

from __future__ import annotations

import mmap
from pathlib import Path

MOST = 4096
PAGE = Path(__file__).with_name("marks.bin")


def _mapped() -> mmap.mmap:
    if not PAGE.exists():  # a process without our variables finds the checkout instead, where nothing is written
        return mmap.mmap(-1, MOST)
    with PAGE.open("r+b") as file:
        return mmap.mmap(file.fileno(), MOST)


page = _mapped()


def mark(number: int) -> None:
    """Note that the mutant of this number would have acted."""
    page[number] = 1
