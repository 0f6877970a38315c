"""Requests of peers for storage commitment, from their arrival to the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.runtime.store.database import Database, Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import commitment_requests as requests
from miqa_node.stages.receive.rows.promises import Promises, Standing


class DatabaseLedger:
    """See :class:`~miqa_node.core.domain.ports.CommitmentLedger`; every call is one transaction."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._promises = Promises(database, objects)

    def ask(self, request: CommitmentRequest, lease_s: float) -> None:
        """Store a request; a repeated request is reported again, even if it was already reported."""
        now = datetime.now(UTC)
        values = {
            "transaction_uid": request.transaction_uid,
            "calling_ae_title": request.calling_ae_title[:16],
            "called_ae_title": request.called_ae_title[:16],
            "peer_address": request.peer_address,
            "objects": [list(pair) for pair in request.objects],
            "requested_at": now,
            "attempts": 0,
            "next_attempt_at": now + timedelta(seconds=lease_s),
            "last_error": "",
        }
        with self._database.begin() as transaction:
            if not insert_or_ignore(transaction, requests, values):
                transaction.execute(sa.update(requests).where(*_is(request)).values(values))

    def claim(self, lease_s: float) -> CommitmentRequest | None:
        """Claim the request that has waited longest."""
        now = datetime.now(UTC)
        with self._database.begin() as transaction:
            due = sa.select(requests).where(requests.c.next_attempt_at <= now)
            row = transaction.execute(
                due.order_by(requests.c.next_attempt_at).limit(1).with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return None
            request = _load(row)
            rows = transaction.execute(
                sa.update(requests)
                .where(*_is(request), requests.c.next_attempt_at <= now)
                .values(next_attempt_at=now + timedelta(seconds=lease_s))
            )
            return request if rows.rowcount else None  # SQLite locks no rows for reading: another process was faster

    def extend(self, request: CommitmentRequest, lease_s: float) -> None:
        """Keep a claimed request for longer."""
        waits = (*_is(request), requests.c.next_attempt_at.is_not(None))
        until = datetime.now(UTC) + timedelta(seconds=lease_s)
        with self._database.begin() as transaction:
            transaction.execute(sa.update(requests).where(*waits).values(next_attempt_at=until))

    def look_up(self, uids: Sequence[str], *, patient: bool) -> Iterator[Standing]:
        """Look at the stored bytes and promise to keep what is sound."""
        return self._promises.make(uids, patient=patient)

    def reported(self, request: CommitmentRequest) -> None:
        """The peer has the report."""
        values = {"reported_at": datetime.now(UTC), "next_attempt_at": None, "last_error": ""}
        with self._database.begin() as transaction:
            _change(transaction, request, values)

    def failed(self, request: CommitmentRequest, error: str, retry_at: datetime | None) -> None:
        """Record the error and when to try again."""
        with self._database.begin() as transaction:
            _change(transaction, request, {"last_error": error, "next_attempt_at": retry_at})


def _change(transaction: Transaction, request: CommitmentRequest, values: Mapping[str, object]) -> None:
    transaction.execute(
        sa.update(requests).where(*_is(request)).values({**values, "attempts": requests.c.attempts + 1})
    )


def _is(request: CommitmentRequest) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        requests.c.transaction_uid == request.transaction_uid,
        requests.c.calling_ae_title == request.calling_ae_title[:16],
    )


def _load(row: sa.Row[tuple[object, ...]]) -> CommitmentRequest:
    return CommitmentRequest(
        transaction_uid=row.transaction_uid,
        calling_ae_title=row.calling_ae_title,
        called_ae_title=row.called_ae_title,
        peer_address=row.peer_address,
        objects=tuple((pair[0], pair[1]) for pair in row.objects),
        attempts=row.attempts,
    )
