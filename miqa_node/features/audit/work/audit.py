"""Maintains the audit trail: seals its records, records alerts and changes of the site's files, prunes old records."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from miqa_node import __version__
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.keys.signing import KEY_FILE, Signer
from miqa_node.core.observe.alerts import ALERTS
from miqa_node.core.settings import Settings
from miqa_node.errors import ResourcesError
from miqa_node.features.audit import rows as chain
from miqa_node.features.audit.work.audit_sending import mark_of
from miqa_node.parts import PartContext, PartKind, StartMoment
from miqa_node.runtime.people.audit import marks, records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.clock_trust import ClockTrust
from miqa_node.runtime.work.regular import RegularWork

SEAL_INTERVAL_S = 0.9
"""Sealing takes a dozen statements for any number of records; docs/how-to/audit.md promises it within a second."""
WATCH_INTERVAL = timedelta(seconds=2)
PRUNE_INTERVAL = timedelta(hours=1)
Watched = Callable[[], Mapping[str, Any]]
"""Returns the values in force now, by name."""

log = structlog.get_logger(__name__)


class AuditKeeper(RegularWork):
    """A thread in every process; the lock of the chain serialises several."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        signer: Signer,
        role: NodeRole,
        watched: Mapping[str, Watched],
        clock: ClockTrust | None = None,
    ) -> None:
        """``watched``: values whose changes are recorded, by name: "policy" as policy, all others as settings."""
        super().__init__("audit", SEAL_INTERVAL_S, "the audit trail waits for the database")
        self._database, self._signer, self._role = database, signer, role
        self._node = settings.node.name
        self._clock = clock or ClockTrust(database, settings.retention.clock_step)
        values = values_of(settings)  # they never change while the process runs
        self._watched = {"settings": lambda: values, **watched}
        self._known: dict[str, Mapping[str, Any]] = {}
        self._has_started = False
        self._keep_days, self._sent = settings.audit.keep_days, mark_of(settings)
        self._looked_at = self._pruned_at = datetime.min.replace(tzinfo=UTC)

    def start(self) -> None:
        """Record the start of the process, then start the thread."""
        self._record(AuditEvent.STARTED)
        self._has_started = True
        super().start()

    def stop(self) -> None:
        """Record the end of the process, and seal the remaining records."""
        super().stop()
        if not self._has_started:
            return
        try:
            self._record(AuditEvent.STOPPED)
            self._write_alerts()
            self._seal()
        except ResourcesError as error:
            log.warning("the end is not in the audit trail", error=str(error))

    def look(self) -> None:
        """Record waiting changes, and seal all records."""
        self._write_alerts()
        now = datetime.now(UTC)
        if now - self._looked_at >= WATCH_INTERVAL:
            self._looked_at = now
            self._watch(now)
        self._seal()
        if self._keep_days and now - self._pruned_at >= PRUNE_INTERVAL:
            self._pruned_at = now
            if (trusted_now := self._clock.now()) is not None:
                self._prune(trusted_now)

    def _prune(self, now: datetime) -> None:
        before = now - timedelta(days=self._keep_days)
        with self._database.begin() as transaction:
            count = chain.prune(transaction, self._signer, self._node, before, now, sent=self._sent)
        if count:
            log.info("records of the audit trail were pruned", records=count)

    def _seal(self) -> None:
        with self._database.begin() as transaction:
            if not chain.waits(transaction):
                return
        count = chain.BATCH
        while count == chain.BATCH:
            with self._database.begin() as transaction:
                count = chain.seal(transaction, self._signer, self._node, datetime.now(UTC))

    def _record(self, event: AuditEvent) -> None:
        detail = {"node": self._node, "role": self._role.value, "version": __version__}
        with self._database.begin() as transaction:
            records.add(transaction, AuditEntry(event, datetime.now(UTC), detail=detail))

    def _write_alerts(self) -> None:
        if not (waiting := ALERTS.take()):
            return
        entries = [
            AuditEntry(
                AuditEvent.REFUSED,
                one.at,
                one.who,
                peer=one.peer,
                failed=True,
                detail={"what": one.what, "reason": one.reason},
            )
            for one in waiting
        ]
        try:
            with self._database.begin() as transaction:
                records.add(transaction, *entries)
        except ResourcesError:
            ALERTS.give_back(waiting)
            raise

    def _watch(self, now: datetime) -> None:
        for name, watched in self._watched.items():
            values = watched()
            if self._known.get(name) == values:
                continue
            fingerprints = {key: self._fingerprint(value) for key, value in values.items()}
            with self._database.begin() as transaction:
                before = marks.replace(transaction, f"{name} {self._node}", fingerprints)
                if before is not None:
                    records.add(transaction, self._change(name, before, fingerprints, values, now))
            self._known[name] = values

    def _change(
        self, name: str, before: Mapping[str, Any], after: Mapping[str, Any], values: Mapping[str, Any], now: datetime
    ) -> AuditEntry:
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        detail: dict[str, Any] = {"what": name, "node": self._node}
        if name == "policy":
            return AuditEntry(AuditEvent.POLICY_CHANGED, now, detail={**detail, **values})
        return AuditEntry(AuditEvent.SETTINGS_CHANGED, now, detail={**detail, "changed": changed if before else []})

    def _fingerprint(self, value: Any) -> str:
        """Keyed hash that shows whether a value changed; nobody without the signing key can test guesses of secrets."""
        signature: str = self._signer.sign({"value": str(value)})["signature"]
        return hashlib.sha256(signature.encode()).hexdigest()[:16]


def values_of(settings: Settings) -> dict[str, Any]:
    """Every setting by its name, such as ``dicom.port``, with secrets in plain text."""
    return {
        f"{table}.{key}": value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for table, values in settings.model_dump().items()
        for key, value in values.items()
    }


def _open(context: PartContext) -> AuditKeeper:
    settings, policy = context.settings, context.unit.judging.policy
    signer = Signer.open(settings.node.data_dir / KEY_FILE)
    watched: dict[str, Watched] = {
        "policy": lambda: {"version": policy().version},
        "destinations": context.destinations.current,
    }
    return AuditKeeper(context.database, settings, signer, context.role, watched, context.clock)


PART = PartKind("audit", _open, StartMoment.RECORDING, role=None)
