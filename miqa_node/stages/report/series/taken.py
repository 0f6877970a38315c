"""What the node takes of an object that highdicom made."""

from __future__ import annotations

from collections.abc import Iterable

from highdicom.pm import ParametricMap
from highdicom.seg import Segmentation
from pydicom.dataset import Dataset


def take(made: ParametricMap | Segmentation, keywords: Iterable[str], into: Dataset) -> None:
    """Give an object that was begun the attributes that highdicom described, and close what it leaves open."""
    made._db_con.close()  # noqa: SLF001 - it keeps its frames in a database, and has no other way to close it
    for keyword in keywords:
        if keyword in made:
            into.add(made[keyword])
