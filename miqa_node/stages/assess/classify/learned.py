"""Which images a package learned from: marks of their pixels, which tell an image again and nothing of its patient.

Patients' names and numbers, and digests of them, stay out of packages, which are passed on. A mark is the same for
every lossless copy of an image, whatever its header says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.files.whole_file import write_whole

LEARNED = "learned.txt"
"""The file of a package; one mark a line."""
MARK_DIGITS = 16


def mark_of(radiograph: Radiograph) -> str:
    """The mark of an image by its stored values."""
    stored = np.ascontiguousarray(radiograph.stored, dtype="<i4")
    return hashlib.sha256(b"%d %d " % stored.shape + stored.tobytes()).hexdigest()[:MARK_DIGITS]


def write_learned(folder: Path, marks: Iterable[str]) -> None:
    """Write the file of a package."""
    write_whole(folder / LEARNED, "".join(f"{mark}\n" for mark in sorted(set(marks))))


def read_learned(folder: Path) -> frozenset[str] | None:
    """The marks of a package; None if it does not say what it learned from."""
    path = folder / LEARNED
    return frozenset(path.read_text("ascii").split()) if path.is_file() else None
