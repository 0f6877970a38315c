"""Stores received objects: first the file, then row and job in one transaction, then the response."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from miqa_node.domain.audit import AuditEvent
from miqa_node.domain.instance import Header, InstanceDigest, ReceivedObject, StudyRecord
from miqa_node.domain.retention import RemovalCause
from miqa_node.errors import ResourcesError
from miqa_node.store import instances
from miqa_node.store import tables as t
from miqa_node.store.artifacts import Artifacts, original_key
from miqa_node.store.audit import records
from miqa_node.store.audit.records import AuditEntry
from miqa_node.store.database import Database, Transaction
from miqa_node.store.group import GroupCommit
from miqa_node.store.instances import Novelty


class Arrivals:
    """Stores received objects durably; one per process."""

    def __init__(self, database: Database, artifacts: Artifacts) -> None:
        self._database = database
        self._artifacts = artifacts
        self._commits = GroupCommit(database)

    def keep(
        self,
        header: Header,
        study: StudyRecord,
        received: ReceivedObject,
        operator: str,
        admit: Callable[[Transaction], None],
    ) -> Novelty:
        """Store an object and run ``admit`` for a new one; when this returns, the object is durable.

        An object removed by retention is stored again.

        Raises
        ------
        ResourcesError
            The file of an earlier copy was being deleted at the same moment; the sender must send the object again.
        """
        digest, now = received.digest, datetime.now(UTC)
        is_new_file = self._artifacts.keep_original(digest, Path(received.path))

        def write(transaction: Transaction) -> Novelty:
            novelty = instances.record(transaction, header, study, received, original_key(digest), operator)
            if novelty is Novelty.DUPLICATE:
                _restore(transaction, digest, study, now)
            else:
                admit(transaction)
            records.add(transaction, _audit(header, received, novelty, now))
            return novelty

        novelty = self._commits.run(write)
        if not is_new_file and not self._artifacts.has_original(digest):
            with self._database.begin() as transaction:
                values = {"removed_at": now, "deleted_at": now, "removal_cause": RemovalCause.AGE.value}
                transaction.execute(sa.update(t.instances).where(t.instances.c.digest == digest).values(values))
            raise ResourcesError("An earlier copy of this object was being removed; send it again.")
        return novelty


def _audit(header: Header, received: ReceivedObject, novelty: Novelty, now: datetime) -> AuditEntry:
    return AuditEntry(
        AuditEvent.RECEIVED,
        now,
        received.calling_ae_title,
        peer=received.peer_address,
        study=header.study_instance_uid,
        digest=received.digest,
        detail={"class": header.sop_class_uid, "instance": header.sop_instance_uid, "novelty": novelty.value},
    )


def _restore(transaction: Transaction, digest: InstanceDigest, study: StudyRecord, now: datetime) -> None:
    of = t.instances.c
    causes = transaction.execute(sa.select(of.removal_cause).where(of.digest == digest, of.removed_at.is_not(None)))
    cause = causes.scalar_one_or_none()
    if cause is None:
        return
    values = {"removed_at": None, "deleted_at": None, "removal_cause": "", "restored_at": now}
    transaction.execute(sa.update(t.instances).where(of.digest == digest, of.removed_at.is_not(None)).values(values))
    if cause == RemovalCause.ERASURE.value:
        transaction.execute(
            sa.update(t.studies)
            .where(t.studies.c.study_instance_uid == study.study_instance_uid, t.studies.c.patient_id == "")
            .values(**instances.identification(study))
        )
