"""Where a unit stands: its one verdict, and what came of it since; every list, page and answer reads it here.

The verdict of a series is that of its newest judgement, which is kept with one of its slices
(:mod:`~miqa_node.stages.units.rows.unit_verdicts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, dispositions, instances
from miqa_node.stages.units.kinds import is_slice, is_slice_class
from miqa_node.stages.units.rows import fragments

NOT_MEASURED = Phrase(
    "More of the series came, but could not be measured (files are gone, or it failed each time): its verdict stands."
)


@dataclass(frozen=True, slots=True)
class LateMembers:
    """Members that came after the judgement in force: ``waiting`` are judged soon, ``unread`` cannot be any more."""

    waiting: int
    unread: int

    @property
    def sentence(self) -> str:
        """What came later, for people; empty if nothing did."""
        if self.waiting:
            return Phrase("More of the series came, being measured: {count}.", count=f"{self.waiting}")
        return Phrase("{text} Came later: {count}.", text=NOT_MEASURED, count=f"{self.unread}") if self.unread else ""


NONE_LATE = LateMembers(0, 0)


@dataclass(frozen=True, slots=True)
class UnitStanding:
    """The verdict of a unit, None before the first one; number of members; what came after the verdict."""

    verdict: Verdict | None = None
    members: int = 1
    late: LateMembers = NONE_LATE
    series: int = 1
    """More than one if each slice came as a series of its own."""
    representative: InstanceDigest | None = None
    """The member that the assessment and the results of the newest judgement are kept with."""


def standing(transaction: Transaction, header: Header) -> UnitStanding | None:
    """That of the series of a slice, or of the stack that it is a part of; None for what is judged by itself."""
    return standings(transaction, [header])[0]


def standings(transaction: Transaction, headers: Sequence[Header]) -> list[UnitStanding | None]:
    """The same of several objects, in their order."""
    stacks = _stacks(transaction, [one for one in headers if is_slice(one)])
    parts = parts_of(transaction, sorted({uid for uids in stacks.values() for uid in uids}))
    places = {
        (study, own): _standing(len(uids), [part for uid in uids for part in parts.get((study, uid), ())])
        for (study, own), uids in stacks.items()
    }
    return [places[_place(one)] if is_slice(one) else None for one in headers]


def _place(header: Header) -> tuple[str, str]:
    return header.study_instance_uid, header.series_instance_uid


def _stacks(transaction: Transaction, slices: Iterable[Header]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The Series Instance UIDs of each one's stack, by study and Series Instance UID."""
    stacks: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in slices:
        if _place(one) not in stacks:
            uids = fragments.uids_of(transaction, one)
            stacks |= {(one.study_instance_uid, uid): uids for uid in uids}
    return stacks


def _standing(series: int, parts: Sequence[VerdictPart]) -> UnitStanding:
    members = sum(part.count for part in parts)
    decided = [(part.decided_at, part) for part in parts if part.decided_at is not None]
    if not decided:
        return UnitStanding(members=members, series=series)
    # What was given up has no assessment: then all have the verdict, with the reason.
    moment, newest = max([one for one in decided if one[1].own] or decided, key=lambda one: one[0])
    waiting = sum(part.count for part in parts if part.decided_at is None)
    unread = sum(part.count for at, part in decided if at > moment)
    own = None if newest.own is None else InstanceDigest(newest.own)
    return UnitStanding(newest.verdict, members, LateMembers(waiting, unread), series, own)


@dataclass(frozen=True, slots=True)
class VerdictPart:
    """Slices of a series whose verdicts are of one moment; ``own`` is one with an assessment of its own."""

    decided_at: datetime | None
    verdict: Verdict | None
    own: str | None
    count: int


def parts_of(transaction: Transaction, uids: Sequence[str]) -> dict[tuple[str, str], list[VerdictPart]]:
    """Those of some series, by study and Series Instance UID."""
    of, parts = instances.c, dict[tuple[str, str], list[VerdictPart]]()
    columns = (of.study_instance_uid, of.series_instance_uid, of.modality, of.sop_class_uid)
    verdict = dispositions.c.decided_at, dispositions.c.verdict
    joined = instances.outerjoin(dispositions, dispositions.c.digest == of.digest)
    joined = joined.outerjoin(assessments, assessments.c.digest == of.digest)
    counted: sa.Select[Any] = sa.select(*columns, *verdict, sa.func.max(assessments.c.digest), sa.func.count())
    for some in batches(uids):
        query = counted.select_from(joined).where(of.series_instance_uid.in_(some)).group_by(*columns, *verdict)
        for study, uid, modality, sop_class_uid, at, word, own, count in transaction.execute(query):
            if is_slice_class(modality, sop_class_uid):  # captures may have the UID of the series
                part = VerdictPart(at, None if word is None else Verdict(word), own, count)
                parts.setdefault((study, uid), []).append(part)
    return parts
