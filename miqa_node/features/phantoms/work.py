"""Tells twice an hour which rows of the log fail or are overdue, for notices by e-mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.history import PhantomHistory, QualityLevel
from miqa_node.features.phantoms.kinds import kind_words
from miqa_node.features.phantoms.rows import log
from miqa_node.features.phantoms.titles import title_of
from miqa_node.parts import PartContext, PartKind, Schedule
from miqa_node.runtime.site_records import machine_concerns
from miqa_node.runtime.site_records.machine_concerns import MachineConcern
from miqa_node.runtime.store.database import Database

SOURCE = "phantoms"
CRON = "*/30 * * * *"
"""Each look reads the whole log, as limits and days change what fails; nobody waits for minutes here."""


def look(database: Database, now: datetime) -> None:
    """Write down what fails and what is overdue."""
    with database.begin() as transaction:
        concerns = [one for history in log.with_any_limits(transaction) for one in _concerns(history, now)]
        machine_concerns.state(transaction, SOURCE, concerns)


def _concerns(one: PhantomHistory, now: datetime) -> Iterator[MachineConcern]:
    """Each scan that fails is told, each day that passed; without protocols, which may hold a patient's words."""
    path, machine, kind = f"/phantoms/log/{one.history}", one.last.origin.words, kind_words(one.kind)
    failing = [name for name in one.concerns if one.level(name) is QualityLevel.FAIL]
    if failing:
        text = Phrase("{machine} · {kind}: {title} fails", machine=machine, kind=kind, title=title_of(failing[0]))
        yield MachineConcern(f"{one.history}/fail/{one.last.acquired_at.isoformat()}", text, path, now)
    if one.is_overdue(now.date()):
        text = Phrase("{machine} · {kind}: the scan was due on {day}", machine=machine, kind=kind, day=one.due_on)
        yield MachineConcern(f"{one.history}/overdue/{one.due_on}", text, path, now)


def _open(context: PartContext) -> Schedule | None:
    if not context.settings.notices.used:
        return None
    return Schedule("phantom-concerns", CRON, lambda _due: look(context.database, datetime.now(UTC)))


PART = PartKind("phantom_concerns", _open)
