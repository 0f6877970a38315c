"""Storage commitment of sent objects: when to request it, in which transaction, and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.delivery import CommitmentReport, Delivery, DeliveryId, DeliveryState
from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.phrase_columns import stored
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import deliveries
from miqa_node.stages.deliver.rows.deliveries import take, taking

MAX_REQUESTS = 10
"""After this many requests without a report of success, a delivery stays SENT, where a later report still counts;
one that the archive lacks even then is FAILED."""

RESEND_AFTER_S = 30.0
"""Pause before an object that the archive lacks is sent again."""

NO_REPORT = f"Storage commitment was requested {MAX_REQUESTS} times and never reported."
_IS_TIRED = deliveries.c.commit_attempts >= MAX_REQUESTS


def is_due(transaction: Transaction, destination: str, now: datetime) -> bool:
    """Whether :func:`claim` would find something; takes no write lock."""
    return bool(_IS_DUE.run(transaction, {"to": destination, "now": now})[0])


def claim(transaction: Transaction, destination: str, limit: int, now: datetime, lease_s: float) -> list[Delivery]:
    """Take up to ``limit`` deliveries that await commitment, with an exclusive lease of ``lease_s``."""
    values = {"to": destination, "now": now, "until": now + timedelta(seconds=lease_s), "most": limit}
    return take(transaction, _CLAIM, values)


def asked(
    transaction: Transaction, delivery_ids: Sequence[DeliveryId], transaction_uid: str, again_at: datetime
) -> None:
    """Record a request for the deliveries; without a report, they are due again, a limited number of times."""
    is_last = deliveries.c.commit_attempts + 1 >= MAX_REQUESTS
    transaction.execute(
        sa.update(deliveries)
        .where(deliveries.c.delivery_id.in_(delivery_ids), deliveries.c.state == DeliveryState.SENT.value)
        .values(
            transaction_uid=transaction_uid,
            commit_attempts=deliveries.c.commit_attempts + 1,
            commit_at=sa.case((is_last, sa.null()), else_=sa.bindparam("again", again_at, deliveries.c.commit_at.type)),
            last_error=sa.case((is_last, NO_REPORT), else_=deliveries.c.last_error),
        )
    )


def failed(transaction: Transaction, delivery_ids: Sequence[DeliveryId], error: str, retry_at: datetime | None) -> None:
    """Record that the request did not reach the archive; ``retry_at`` None stops further requests."""
    transaction.execute(
        sa.update(deliveries)
        .where(deliveries.c.delivery_id.in_(delivery_ids), deliveries.c.state == DeliveryState.SENT.value)
        # A request that did not arrive does not count.
        .values(
            **stored(last_error=error),
            transaction_uid=None,
            commit_at=retry_at,
            commit_attempts=deliveries.c.commit_attempts - 1,
        )
    )


def reported(transaction: Transaction, report: CommitmentReport, now: datetime) -> Counter[tuple[str, bool]]:
    """Record the archive's report; returns the number of objects that it keeps (True) or lacks (False), by destination.

    Only a report of complete success commits (event type 1). After any other, missing objects are sent again, and
    commitment of the rest is requested again, both within the limit of requests. A report of an
    unknown or superseded transaction changes nothing.
    """
    rows = transaction.execute(
        sa.select(deliveries.c.delivery_id, deliveries.c.destination, deliveries.c.sop_instance_uid)
        .where(deliveries.c.transaction_uid == report.transaction_uid, deliveries.c.state == DeliveryState.SENT.value)
        .with_for_update()
    ).all()
    reasons, uids = dict(report.failed), set(report.kept)
    outcome = Counter[tuple[str, bool]]()
    for row in rows:
        uid = row.sop_instance_uid
        if uid in reasons:
            values = _lacking(reasons[uid], now)
        elif report.complete and uid in uids:
            values = {"state": DeliveryState.COMMITTED.value, "committed_at": now, "commit_at": None, "last_error": ""}
        else:
            again = sa.bindparam("again", now, deliveries.c.commit_at.type)
            values = {"transaction_uid": None, "commit_at": sa.case((_IS_TIRED, sa.null()), else_=again)}
        as_read = (
            deliveries.c.delivery_id == row.delivery_id,
            deliveries.c.state == DeliveryState.SENT.value,
            deliveries.c.transaction_uid == report.transaction_uid,
        )
        # SQLite does not lock rows for reading: an old report must not commit what a person is resending at this
        # moment.
        if not transaction.execute(sa.update(deliveries).where(*as_read).values(values)).rowcount:
            continue
        if uid in reasons or "committed_at" in values:
            outcome[row.destination, uid not in reasons] += 1
    return outcome


_NOW = sa.bindparam("now", type_=deliveries.c.commit_at.type)
_DUE = (
    deliveries.c.destination == sa.bindparam("to"),
    deliveries.c.state == DeliveryState.SENT.value,
    deliveries.c.commit_at <= _NOW,
)
_IS_DUE = DriverStatement(lambda _dialect: sa.select(sa.exists().where(*_DUE)))
_CLAIM = DriverStatement(lambda _dialect: taking(_DUE, deliveries.c.commit_at, {"commit_at": sa.bindparam("until")}))


def _lacking(reason: int, now: datetime) -> dict[str, object]:
    return {
        "state": sa.case((_IS_TIRED, DeliveryState.FAILED.value), else_=DeliveryState.QUEUED.value),
        **stored(
            last_error=Phrase(
                "The archive does not keep it: storage commitment failed with {reason}.", reason=in_words(reason)
            )
        ),
        "next_attempt_at": now + timedelta(seconds=RESEND_AFTER_S),
        "transaction_uid": None,
        "commit_at": None,
    }
