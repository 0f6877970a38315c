"""Repeats: exposures of one view of one patient that follow each other within minutes, in whatever order they arrive.

Two exposures of a patient are recorded one after the other, also by processes that share PostgreSQL: each would
otherwise miss the one that the other has not committed yet.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.acquisition import Acquisition, AcquisitionRules, moments
from miqa_node.core.domain.instance import StoredInstance
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import acquisition_findings, acquisitions

SAME_EXPOSURE_S = 2.0
"""Maximum time between differently processed images of one exposure; a repeat takes longer."""
VIEW = ("patient_key", "modality", "body_part", "view", "laterality")
"""Columns that are the same in exposures of one view of one patient."""
LOCK = 7205180
"""Name space of PostgreSQL's advisory locks of patients."""
CLOCK_CHANGE = timedelta(hours=2)
"""More than any change of a clock to and from summer time."""

_of = acquisitions.c


def take_turn(transaction: Transaction, patient_key: str) -> None:
    """Wait until no other transaction records an exposure of this patient; SQLite has one writer anyway.

    A transaction takes the turn of one patient only, so that no two wait for each other.
    """
    if transaction.dialect.name != "sqlite":
        _LOCK.run(transaction, {"space": LOCK, "patient": _number(patient_key)})


def moment_of(transaction: Transaction, made: Acquisition, rules: AcquisitionRules) -> datetime:
    """When the exposure was made. Of two possible moments, the nearer one to another exposure of the patient."""
    if len(made.moments) == 1:
        return made.moments[0]
    rows = _NEAR.all(
        transaction,
        {
            "the_patient_key": made.patient_key,
            "first": made.acquired_at - CLOCK_CHANGE,
            "last": made.acquired_at + CLOCK_CHANGE,
        },
    )
    others = [_moment(row, rules) for row in rows]
    return min(made.moments, key=lambda one: min((abs(one - other) for other in others), default=timedelta(0)))


def mark(
    transaction: Transaction,
    instance: StoredInstance,
    made: Acquisition,
    at: datetime,
    rules: AcquisitionRules,
    now: datetime,
) -> None:
    """Mark the earlier exposures that a recorded one repeats, and this one if a later one repeats it."""
    header, window = instance.header, timedelta(seconds=rules.repeat_window_s)
    values = {
        "the_patient_key": made.patient_key,
        "the_modality": header.modality[:16],
        "the_body_part": header.body_part_examined,
        "the_view": header.view_position,
        "the_laterality": header.image_laterality[:16],
        "first": made.acquired_at - window - CLOCK_CHANGE,
        "last": made.acquired_at + window + CLOCK_CHANGE,
    }
    repeated = set()
    for row in _SAME_VIEW.all(transaction, values):
        later_by = _moment(row, rules) - at
        if timedelta(seconds=SAME_EXPOSURE_S) <= abs(later_by) <= window:
            if later_by > timedelta(0):
                repeated.add(instance.digest)
            elif not row.repeated:
                repeated.add(row.digest)
    for digest in repeated:
        _MARK.run(transaction, {"the_digest": digest, "now": now})


def move(transaction: Transaction, digest: str, earlier: str, own: str, rules: AcquisitionRules, now: datetime) -> None:
    """An exposure that counted as one patient's is another's: it neither repeats the former's nor is repeated by them.

    An exposure that is not recorded as the former's, for example of an erased patient, stays as it is.
    """
    for patient in sorted({earlier, own}, key=_number):
        take_turn(transaction, patient)
    moved = transaction.execute(sa.select(acquisitions).where(_of.digest == digest, _of.patient_key == earlier)).first()
    if moved is None:
        return
    for table in (acquisitions, acquisition_findings):
        transaction.execute(sa.update(table).where(table.c.digest == digest).values(patient_key=own))
    for patient in (earlier, own):
        _judge_again(transaction, moved, patient, rules, now)


def _judge_again(transaction: Transaction, near: Any, patient: str, rules: AcquisitionRules, now: datetime) -> None:
    """Which exposures of a patient's view, near another one, are repeated."""
    window = timedelta(seconds=rules.repeat_window_s)
    around = 2 * (window + CLOCK_CHANGE)
    values = {f"the_{name}": getattr(near, name) for name in VIEW} | {"the_patient_key": patient}
    values |= {"first": near.acquired_at - around, "last": near.acquired_at + around}
    rows = _SAME_VIEW.all(transaction, values) if near.view else []
    moments_of = [_moment(row, rules) for row in rows]
    for row, at in zip(rows, moments_of, strict=True):
        is_near = abs(at - _moment(near, rules)) <= window
        least = timedelta(seconds=SAME_EXPOSURE_S)
        repeated = any(least <= other - at <= window for other in moments_of)
        if is_near and bool(row.repeated) != repeated:
            change = sa.update(acquisitions).where(_of.digest == row.digest)
            transaction.execute(change.values(repeated=repeated, changed_at=now))


def _moment(row: Any, rules: AcquisitionRules) -> datetime:
    """Rows of earlier versions have no ``moment``."""
    return row.moment if row.moment is not None else moments(row.acquired_at, rules.zone)[0]


def _number(patient_key: str) -> int:
    """32 bits of the key, signed as PostgreSQL takes them. Patients that share a number only wait for each other."""
    return int.from_bytes(bytes.fromhex(patient_key[:8]), signed=True)


_LOCK = DriverStatement(
    lambda _dialect: sa.select(
        sa.func.pg_advisory_xact_lock(
            sa.bindparam("space", type_=sa.Integer), sa.bindparam("patient", type_=sa.Integer)
        )
    )
)
_between = (_of.acquired_at >= sa.bindparam("first"), _of.acquired_at <= sa.bindparam("last"))
_NEAR = DriverStatement(
    lambda _dialect: sa.select(_of.acquired_at, _of.moment).where(
        _of.patient_key == sa.bindparam("the_patient_key"), *_between
    )
)
_SAME_VIEW = DriverStatement(
    lambda _dialect: sa.select(_of.digest, _of.acquired_at, _of.moment, _of.repeated).where(
        *(_of[name] == sa.bindparam(f"the_{name}") for name in VIEW), *_between
    )
)
_MARK = DriverStatement(
    lambda _dialect: (
        sa.update(acquisitions)
        .where(_of.digest == sa.bindparam("the_digest"))
        .values(repeated=True, changed_at=sa.bindparam("now"))
    )
)
