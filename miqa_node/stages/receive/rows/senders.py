"""The calling peers: when each was last accepted, and last rejected and why.

Strangers can call as often as they like, and no caller may wait for the database. So calls are collected in memory and
written by a separate thread, and both memory and table are limited.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import sqlalchemy as sa
import structlog

from miqa_node.core.domain.operations import SenderStatus
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database, Transaction, insert_or_ignore
from miqa_node.runtime.store.phrase_columns import stored, with_phrases
from miqa_node.runtime.store.tables import senders

WRITE_EVERY_S = 2.0
MAX_SENDERS = 200
"""Maximum number of remembered peers; the oldest are removed first, starting with those never accepted."""

log = structlog.get_logger(__name__)

_KEY = (senders.c.calling_ae_title, senders.c.peer_address)


class SenderBook:
    """Records callers; one per process, thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._called: dict[tuple[str, str], SenderStatus] = {}
        self._thread = SteadyThread("senders", self._run)
        self.threads = (self._thread,)

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write the remaining rows, and end."""
        self._thread.stop()

    def note(self, calling_ae_title: str, peer_address: str, reason: str = "", hint: str = "") -> None:
        """Note that a peer was accepted, or rejected for a reason."""
        key, now = (calling_ae_title, peer_address), datetime.now(UTC)
        with self._lock:
            if key not in self._called and len(self._called) >= MAX_SENDERS:
                return
            status = self._called.get(key) or SenderStatus(*key, None, None, 0, "", "")
            if reason:
                called = SenderStatus(*key, status.admitted_at, now, status.refusals + 1, reason, hint)
            else:
                called = SenderStatus(*key, now, status.refused_at, status.refusals, status.reason, status.hint)
            self._called[key] = called

    def write(self) -> None:
        """Write the collected calls; they stay collected while the database is unavailable."""
        with self._lock:
            called, self._called = self._called, {}
        if not called:
            return
        try:
            with self._database.begin() as transaction:
                for one in called.values():
                    _write(transaction, one)
                _forget_oldest(transaction)
        except ResourcesError as error:
            with self._lock:
                self._called = called | self._called
            log.warning("senders wait for the database", reason=str(error))

    def _run(self) -> None:
        while self._thread.goes_on(WRITE_EVERY_S):
            self.write()
        self.write()


def select(transaction: Transaction) -> list[SenderStatus]:
    """The calling peers, most recent first."""
    columns = [*(senders.c[name] for name in SenderStatus.__dataclass_fields__), senders.c.hint_phrase]
    query = sa.select(*columns).order_by(senders.c.seen_at.desc(), *_KEY).limit(MAX_SENDERS)
    return [SenderStatus(**with_phrases(row, "hint")) for row in transaction.execute(query).mappings()]


def _write(transaction: Transaction, one: SenderStatus) -> None:
    moments = [at for at in (one.admitted_at, one.refused_at) if at is not None]
    row = {"calling_ae_title": one.calling_ae_title, "peer_address": one.peer_address}
    insert_or_ignore(transaction, senders, row | {"seen_at": max(moments), "refusals": 0, "reason": "", "hint": ""})
    values: dict[str, object] = {"seen_at": max(moments)}
    if one.admitted_at is not None:
        values["admitted_at"] = one.admitted_at
    if one.refused_at is not None:
        refusals = senders.c.refusals + one.refusals
        values |= {"refused_at": one.refused_at, "refusals": refusals, "reason": str(one.reason)} | stored(
            hint=one.hint
        )
    of_peer = (_KEY[0] == one.calling_ae_title, _KEY[1] == one.peer_address)
    transaction.execute(sa.update(senders).where(*of_peer).values(values))


def _forget_oldest(transaction: Transaction) -> None:
    order = (senders.c.admitted_at.is_(None), senders.c.seen_at.desc())
    old = transaction.execute(sa.select(*_KEY).order_by(*order).offset(MAX_SENDERS)).all()
    for title, address in old:
        transaction.execute(sa.delete(senders).where(_KEY[0] == title, _KEY[1] == address))
