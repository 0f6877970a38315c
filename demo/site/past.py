"""Moves what a node recorded while a site was made to when it would have happened: the one thing that is not real.

The node judged all images within minutes. Headers have the dates of two months, and so has all that is counted by the
scanner's clock. What the node wrote down by its own clock (reception, verdict, delivery, decision) is moved, study by
study, by the time between its exposure and its reception; delays within a study stay as they were. Accounts, limits and
the like are moved to the first day. The audit trail is left: its records are sealed, and say when the site was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from demo.site.plan import DAYS
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables._base import UtcDateTime

SENT_AFTER = timedelta(seconds=40)
"""An exposure reaches the node so long after it was taken."""
LATER = timedelta(minutes=15)
"""Next attempts lie so far ahead at most."""
FIRST_DAY = frozenset({"users", "body_parts", "site_limits", "phantom_changes", "notice_preferences"})


def move_to_past(database: Database, exposed: Mapping[str, datetime], began: datetime, ended: datetime) -> None:
    """``exposed``: by Study Instance UID when; times from ``began`` to ``ended`` are those of the making."""
    with database.begin() as transaction:
        study_of = _studies(transaction)
        received = _first_receptions(transaction)
        by = {uid: exposed[uid] + SENT_AFTER - at for uid, at in received.items() if uid in exposed}
        for table in tables.all_tables().sorted_tables:
            moved = [one for one in table.columns if isinstance(one.type, UtcDateTime)]
            if moved:
                _move(transaction, table, moved, study_of, by, (began, ended + LATER))


def move_ahead(database: Database, by: timedelta) -> None:
    """All times but those in headers, so that a site that was made earlier ends now."""
    with database.begin() as transaction:
        for table in tables.all_tables().sorted_tables:
            moved = [one for one in table.columns if isinstance(one.type, sa.DateTime | UtcDateTime)]
            _write(transaction, table, moved, lambda _row, at: at + by)


def _move(
    transaction: Transaction, table: sa.Table, moved: list[sa.Column[Any]],
    study_of: Mapping[str, Mapping[str, str]], by: Mapping[str, timedelta], making: tuple[datetime, datetime],
) -> None:  # fmt: skip
    keys = [name for name in study_of if name in table.c]

    def past(row: Mapping[str, Any], at: datetime) -> datetime:
        if not making[0] <= at <= making[1]:
            return at
        studies = (study_of[name].get(str(row[name])) for name in keys)
        study = next((one for one in studies if one in by), None)
        if study is not None:
            return at + by[study]
        return at - timedelta(days=DAYS) if table.name in FIRST_DAY else at

    _write(transaction, table, moved, past)


def _write(transaction: Transaction, table: sa.Table, moved: list[sa.Column[Any]], change: Any) -> None:
    primary = list(table.primary_key.columns)
    if not moved or not primary:
        return
    updates = []
    for row in transaction.execute(sa.select(table)).mappings().all():
        values = {f"new_{one.name}": change(row, row[one.name]) if row[one.name] else None for one in moved}
        if any(values[f"new_{one.name}"] != row[one.name] for one in moved):
            updates.append(values | {f"key_{one.name}": row[one.name] for one in primary})
    if updates:
        statement = sa.update(table).values({one.name: sa.bindparam(f"new_{one.name}") for one in moved})
        transaction.execute(statement.where(*(one == sa.bindparam(f"key_{one.name}") for one in primary)), updates)


def _studies(transaction: Transaction) -> Mapping[str, Mapping[str, str]]:
    """By the name of a column: the study of each value."""
    of, made, sent = tables.instances.c, tables.results.c, tables.deliveries.c
    instances = transaction.execute(sa.select(of.digest, of.series_instance_uid, of.study_instance_uid)).all()
    results = transaction.execute(sa.select(made.sop_instance_uid, made.study_instance_uid)).all()
    study_of_result = {one.sop_instance_uid: one.study_instance_uid for one in results}
    deliveries = transaction.execute(sa.select(sent.delivery_id, sent.sop_instance_uid)).all()
    return {
        "digest": {row.digest: row.study_instance_uid for row in instances},
        "study_instance_uid": {row.study_instance_uid: row.study_instance_uid for row in instances},
        "series_instance_uid": {row.series_instance_uid: row.study_instance_uid for row in instances},
        "sop_instance_uid": study_of_result,
        "delivery_id": {str(number): study_of_result.get(uid, "") for number, uid in deliveries},
    }


def _first_receptions(transaction: Transaction) -> dict[str, datetime]:
    of = tables.instances.c
    rows = transaction.execute(
        sa.select(of.study_instance_uid, sa.func.min(of.received_at)).group_by(of.study_instance_uid)
    )
    return {row[0]: row[1] for row in rows}
