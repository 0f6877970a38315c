"""Requests of peers for storage commitment, from their arrival to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from miqa_node.domain.delivery import CommitmentRequest
from miqa_node.store.database import Database, Transaction, insert_or_ignore
from miqa_node.store.tables import UtcDateTime, instances
from miqa_node.store.tables import commitment_requests as requests

_BATCH = 500


class DatabaseLedger:
    """See :class:`~miqa_node.domain.ports.CommitmentLedger`; every call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

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

    def look_up(self, uids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """SOP class UIDs of the instances with files here; these are promised from now on and stay."""
        now, matches = datetime.now(UTC), dict[str, set[str]]()
        with self._database.begin() as transaction:
            for start in range(0, len(uids), _BATCH):
                is_held = sa.and_(
                    instances.c.sop_instance_uid.in_(uids[start : start + _BATCH]), instances.c.removed_at.is_(None)
                )
                # First, because it locks the rows: retention cannot remove any of them after they were read.
                promised_at = sa.func.coalesce(instances.c.promised_at, sa.bindparam(None, now, UtcDateTime()))
                transaction.execute(sa.update(instances).where(is_held).values(promised_at=promised_at))
                query = sa.select(instances.c.sop_instance_uid, instances.c.sop_class_uid).where(is_held)
                for row in transaction.execute(query):
                    matches.setdefault(row.sop_instance_uid, set()).add(row.sop_class_uid)
        return {uid: frozenset(classes) for uid, classes in matches.items()}

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
