"""Stored pilots: a protocol is written once; its days are listed once, in the transaction that adds their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.verdict import Verdict
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.pilot.progress import Outcome, PilotCounts
from miqa_node.features.pilot.protocol import PilotProtocol, read_protocol
from miqa_node.features.pilot.tables import pilot_days, pilot_gaps, pilot_images, pilots
from miqa_node.runtime.store.database import Transaction, insert_or_ignore

_FLAGGED = tuple(one.value for one in Verdict if one.flagged)


@dataclass(frozen=True, slots=True)
class StoredPilot:
    """A pilot with its protocol; ``idle_s`` is the archive's answer time before anything was fetched, if measured.

    ``readers`` are the accounts of readers A and, if there is one, B; none before a sample was drawn.
    """

    name: str
    protocol: PilotProtocol
    protocol_sha256: str
    planned_at: datetime
    planned_by: str
    idle_s: float | None
    is_paused: bool
    sampled_at: datetime | None
    readers: tuple[str, ...]


def plan(
    transaction: Transaction, protocol: PilotProtocol, days: Mapping[tuple[str, str], int], actor: str, now: datetime
) -> None:
    """Store a protocol and what the source has by (study date, modality); ConflictError if the name is taken."""
    values = {
        "name": protocol.name,
        "protocol": protocol.text,
        "protocol_sha256": protocol.sha256,
        "planned_at": now,
        "planned_by": actor,
    }
    if not insert_or_ignore(transaction, pilots, values):
        raise ConflictError(
            "There is a pilot {name} already; a protocol does not change, so plan another one.",
            name=f"{protocol.name!r}",
        )
    for (day, modality), planned in days.items():
        row = {"pilot": protocol.name, "day": day, "modality": modality, "planned": planned}
        transaction.execute(sa.insert(pilot_days).values(row))


def select(transaction: Transaction) -> list[StoredPilot]:
    """All pilots, the newest first."""
    return [_pilot(row) for row in transaction.execute(sa.select(pilots).order_by(pilots.c.planned_at.desc()))]


def find(transaction: Transaction, name: str) -> StoredPilot:
    """One pilot; NotFoundError if there is none with the name."""
    row = transaction.execute(sa.select(pilots).where(pilots.c.name == name)).one_or_none()
    if row is None:
        raise NotFoundError("There is no pilot {name}; plan it with miqa-node pilot plan.", name=f"{name!r}")
    return _pilot(row)


def note_idle(transaction: Transaction, name: str, idle_s: float) -> None:
    """The archive's answer time while it is idle; only the first one counts."""
    first = pilots.c.name == name, pilots.c.idle_s.is_(None)
    transaction.execute(sa.update(pilots).where(*first).values(idle_s=idle_s))


def listed_days(transaction: Transaction, name: str) -> set[str]:
    """The study dates that were listed."""
    of = pilot_days.c
    query = sa.select(of.day).where(of.pilot == name, of.found.is_not(None)).distinct()
    return set(transaction.execute(query).scalars())


def note_found(transaction: Transaction, name: str, day: str, numbers: Mapping[str, int]) -> None:
    """The listing of a day is complete: how many images of which modality it found."""
    of = pilot_days.c
    own = of.pilot == name, of.day == day
    was_planned = transaction.execute(sa.update(pilot_days).where(*own).values(found=0)).rowcount
    for modality, number in numbers.items() if numbers or was_planned else [("", 0)]:
        row = {"pilot": name, "day": day, "modality": modality, "planned": 0, "found": number}
        if not insert_or_ignore(transaction, pilot_days, row):
            transaction.execute(sa.update(pilot_days).where(*own, of.modality == modality).values(found=number))


def counts(transaction: Transaction, name: str) -> PilotCounts:
    """The numbers of a whole pilot."""
    day, of = pilot_days.c, pilot_images.c
    sums = sa.select(sa.func.sum(day.planned), sa.func.sum(day.found)).where(day.pilot == name)
    planned, total = (number or 0 for number in transaction.execute(sums).one())
    query = sa.select(of.outcome, of.verdict, sa.func.count()).where(of.pilot == name).group_by(of.outcome, of.verdict)
    rows = {(row[0], row[1]): row[2] for row in transaction.execute(query)}

    def number(outcome: Outcome) -> int:
        return sum(count for (one, _), count in rows.items() if one == outcome)

    fetched = number(Outcome.JUDGED)
    unassessed = rows.get((Outcome.JUDGED.value, Verdict.NOT_ASSESSED.value), 0)
    flagged = sum(count for (_, verdict), count in rows.items() if verdict in _FLAGGED)
    return PilotCounts(
        planned=planned,
        found=total,
        fetched=fetched,
        judged=fetched - unassessed,
        flagged=flagged,
        not_assessed=unassessed,
        failed=number(Outcome.FAILED),
        known=number(Outcome.KNOWN),
        other=number(Outcome.OTHER),
        erased=total - sum(rows.values()),
    )


def note_missing(transaction: Transaction, name: str, day: str, why: str) -> None:
    """Why not all of a day could be listed; empty if it was."""
    transaction.execute(sa.delete(pilot_gaps).where(pilot_gaps.c.pilot == name, pilot_gaps.c.day == day))
    if why:
        transaction.execute(sa.insert(pilot_gaps).values(pilot=name, day=day, why=why))


def missing(transaction: Transaction, name: str) -> dict[str, str]:
    """Why not all of some days could be listed, by day."""
    of = pilot_gaps.c
    query = sa.select(of.day, of.why).where(of.pilot == name).order_by(of.day)
    return {row.day: row.why for row in transaction.execute(query)}


def planned_days(transaction: Transaction, name: str) -> list[tuple[str, str, int]]:
    """(study date, modality, images) as the source said when the pilot was planned."""
    of = pilot_days.c
    query = sa.select(of.day, of.modality, of.planned).where(of.pilot == name).order_by(of.day, of.modality)
    return [(row[0], row[1], row[2]) for row in transaction.execute(query)]


def _pilot(row: Any) -> StoredPilot:
    return StoredPilot(
        row.name, read_protocol(row.protocol), row.protocol_sha256, row.planned_at, row.planned_by, row.idle_s,
        row.is_paused, row.sampled_at, tuple(row.readers),
    )  # fmt: skip


def pause(transaction: Transaction, name: str, *, is_paused: bool) -> None:
    """Have runs of a pilot wait, or go on."""
    transaction.execute(sa.update(pilots).where(pilots.c.name == name).values(is_paused=is_paused))
