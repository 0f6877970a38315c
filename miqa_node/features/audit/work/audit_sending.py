"""Sends sealed records to the syslog receiver of the site, in order, starting where the last transmission ended."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.audit import AuditRecord
from miqa_node.core.settings import Settings
from miqa_node.errors import DeliveryError
from miqa_node.features.audit.message import AuditSource, audit_message
from miqa_node.features.audit.syslog import TIMEOUT_S, SyslogClient
from miqa_node.parts import PartContext, PartKind, StartMoment
from miqa_node.runtime.people.audit import marks, records
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork

SEND_INTERVAL_S = 0.25
BATCH = 100
LEASE_S = 120.0
"""Time after which the exclusive right to send of a dead process expires."""

log = structlog.get_logger(__name__)


def mark_of(settings: Settings) -> str:
    """Name of the mark of the last record sent; empty if the site has no receiver."""
    audit = settings.audit
    return f"syslog {audit.syslog_host}:{audit.syslog_port}"[:200] if audit.sends else ""


class AuditSending(RegularWork):
    """A thread in each working process; one at a time sends. If the receiver is down, records wait in the trail."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__("audit-syslog", SEND_INTERVAL_S, "sending of the audit trail waits for the database")
        self._database = database
        self._mark = mark_of(settings)
        self._names_patients = settings.audit.syslog_patient_ids
        self._source = AuditSource(settings.node.name, settings.node.site, settings.dicom.ae_title.strip())
        self._client = SyslogClient(settings.audit, socket.gethostname())
        self._pause = TIMEOUT_S
        self._is_away = False

    def look(self) -> None:
        """Send waiting records."""
        while not self._stopping.is_set() and self._send_some() == BATCH:
            pass

    def stop(self) -> None:
        """Send the remaining records, then end."""
        super().stop()
        self._client.close()

    def _send_some(self) -> int:
        now = datetime.now(UTC)
        with self._database.begin() as transaction:
            place = marks.read(transaction, self._mark)
            waits = records.after(transaction, place.number if place is not None else 0, 1)
        if not waits:
            return 0
        with self._database.begin() as transaction:
            leased = marks.lease(transaction, self._mark, now, LEASE_S)
            if leased is None:
                return 0
            rows = records.after(transaction, leased.number, BATCH)
            names = records.patient_ids(transaction, [row.patient for row in rows if row.patient])
        reached = leased.number
        try:
            self._client.send([(row, self._message(row, names.get(row.patient, ""))) for row in rows])
            reached = rows[-1].number if rows else reached
            if self._is_away:
                log.info("the syslog receiver is back", waiting_from=leased.number + 1)
            self._is_away = False
        except DeliveryError as error:
            if not self._is_away:
                log.warning("the audit trail is not sent", reason=str(error))
            self._is_away = True
            self._stopping.wait(min(self._pause, 1.0))
            return 0
        finally:
            with self._database.begin() as transaction:
                marks.advance(transaction, self._mark, reached)
        return len(rows)

    def _message(self, record: AuditRecord, patient_id: str) -> bytes:
        return audit_message(record, self._source, patient_id if self._names_patients else "")


def _open(context: PartContext) -> AuditSending | None:
    return AuditSending(context.database, context.settings) if context.settings.audit.sends else None


PART = PartKind("audit_sending", _open, StartMoment.RECORDING)
