"""How far a pilot is: what became of each image that was found, and the numbers of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of an image of a pilot."""

    FOUND = "found"
    """It waits."""
    JUDGED = "judged"
    """It has a verdict, NOT_ASSESSED among them."""
    KNOWN = "known"
    """The node had it before: it keeps its origin and is only counted."""
    OTHER = "other"
    """It shows another body part than the pilot asks for, which only the image itself said; it is only counted."""
    FAILED = "failed"
    """The source could not give it."""


@dataclass(frozen=True, slots=True)
class PilotCounts:
    """Images of a pilot: ``found`` are all that the source listed so far; each of them is one of the others at the end.

    ``fetched`` = ``judged`` + ``not_assessed``; ``flagged`` is a part of ``judged``. ``erased`` are those of patients
    who were erased, of which nothing else is left.
    """

    planned: int
    found: int
    fetched: int
    judged: int
    flagged: int
    not_assessed: int
    failed: int
    known: int
    other: int
    erased: int

    @property
    def waiting(self) -> int:
        """Images that were found and nothing became of yet."""
        return self.found - self.fetched - self.failed - self.known - self.other - self.erased
