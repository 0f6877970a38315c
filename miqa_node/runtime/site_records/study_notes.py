"""The history of a flagged study: what people and the node did with it, line by line."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.phrase_columns import stored
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import worklist_events


def note(transaction: Transaction, study_uid: str, action: str, actor: str, comment: str, now: datetime) -> None:
    """Add a line."""
    row = {"study_instance_uid": study_uid, "at": now, "action": action, "actor": actor} | stored(comment=comment)
    _NOTE.run(transaction, row)
    if actor:
        entry = AuditEntry(AuditEvent.DECIDED, now, actor, study=study_uid, detail={"action": action})
        records.add(transaction, entry)


_NOTE = DriverStatement(lambda _dialect: sa.insert(worklist_events))
