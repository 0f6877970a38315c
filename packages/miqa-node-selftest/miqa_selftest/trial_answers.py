"""What a destination on trial answers about each object, and what of it is worst."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from pydicom.dataset import Dataset

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.stages.deliver.kinds.base import ObjectsConfig
from miqa_selftest.trial_study import TrialObject, TrialStudy

STATUS = re.compile(r"0x[0-9A-F]{4}")


class Storage(StrEnum):
    """What became of the C-STORE, STOW-RS or copy of one object."""

    STORED = "stored"
    COERCED = "coerced"
    """Stored with a warning (PS3.4 B.2.3), or with attributes that a search gives back otherwise."""
    REFUSED = "refused"
    FAILED = "failed"
    """It could not be sent, or there was no answer."""
    NOT_SENT = "not sent"


class Search(StrEnum):
    """What a search for one object said."""

    PRESENT = "found"
    ABSENT = "not found"
    FAILED = "failed"
    NOT_ASKED = "not asked"


class Commitment(StrEnum):
    """What the destination said of storage commitment for one object."""

    KEPT = "committed"
    LACKING = "not kept"
    REFUSED = "refused"
    NO_REPORT = "no report"
    UNSEEN = "not seen"
    """The report goes to a port that the running node has, which knows of no trial."""
    NOT_ASKED = "not asked"


_WRONG = frozenset({
    Storage.REFUSED, Storage.FAILED, Storage.NOT_SENT, Search.ABSENT, Search.FAILED, Commitment.LACKING,
    Commitment.REFUSED, Commitment.NO_REPORT,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """An attribute that came back with another value; ``now`` is empty where it might be of a person."""

    keyword: str
    sent: str
    now: str


@dataclass(slots=True)
class ObjectTrial:
    """One object and every answer about it; ``header`` is that of the form in which it was last sent."""

    item: TrialObject
    header: Dataset
    is_own: bool
    """Whether the destination's ``objects`` name its kind; images are no results, and in none."""
    storage: Storage = Storage.NOT_SENT
    search: Search = Search.NOT_ASKED
    commitment: Commitment = Commitment.NOT_ASKED
    remarks: list[str] = field(default_factory=list)
    changes: list[AttributeChange] = field(default_factory=list)

    @property
    def pair(self) -> tuple[str, str]:
        """SOP Class UID and SOP Instance UID."""
        return str(self.header.SOPClassUID), str(self.header.SOPInstanceUID)

    @property
    def has_arrived(self) -> bool:
        """Whether the destination said that it has it."""
        return self.storage in (Storage.STORED, Storage.COERCED)

    @property
    def status(self) -> str:
        """The status in the answer to the C-STORE, such as 0xA700; empty of success, and where none is known."""
        status = STATUS.search(" ".join(self.remarks))
        return status[0] if status and self.storage is not Storage.STORED else ""

    @property
    def is_changed(self) -> bool:
        """Whether it is there with other values than were sent."""
        return self.storage is Storage.COERCED

    @property
    def is_wrong(self) -> bool:
        """Whether an answer is worse than a coercion."""
        return not {self.storage, self.search, self.commitment}.isdisjoint(_WRONG)


@dataclass(slots=True)
class DestinationTrial:
    """The whole trial; ``changes`` are those of patient and study, ``notes`` sentences about all objects."""

    config: ObjectsConfig
    study: TrialStudy
    objects: list[ObjectTrial]
    search_service: str = ""
    """What was asked: C-FIND, QIDO-RS, folder; empty if nothing could be."""
    changes: list[AttributeChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def own(self) -> list[ObjectTrial]:
        """Those that the destination's ``objects`` name: what it is to get."""
        return [one for one in self.objects if one.is_own]

    @property
    def arrivals(self) -> list[ObjectTrial]:
        """The objects that the destination said it has."""
        return [one for one in self.objects if one.has_arrived]

    @property
    def exit(self) -> Exit:
        """The exit code, by the worst answer."""
        return worst_of(self.objects)


def worst_of(objects: Iterable[ObjectTrial]) -> Exit:
    """FAILED if any answer about them is wrong, COERCED if none is and any object was changed."""
    exits = {Exit.FAILED if one.is_wrong else Exit.COERCED for one in objects if one.is_wrong or one.is_changed}
    return next((code for code in (Exit.FAILED, Exit.COERCED) if code in exits), Exit.OK)
