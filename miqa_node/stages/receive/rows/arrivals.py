"""Stores received objects: first the file, then row and job in one transaction, then the response."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
import structlog

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject, StudyRecord
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.errors import ResourcesError
from miqa_node.runtime.people import patients
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store import damages, documents
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.receive.rows.group import GroupCommit
from miqa_node.stages.units.rows import copies, instances
from miqa_node.stages.units.rows.instances import Novelty

log = structlog.get_logger(__name__)


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
        mended: Callable[[Transaction], None] = lambda _transaction: None,
    ) -> Novelty:
        """Store an object and run ``admit`` for a new one; when this returns, the object is durable.

        An object that came before is stored again, as it may have been removed or damaged; ``mended`` runs if it is
        known to have been lost or damaged.

        Raises
        ------
        ResourcesError
            The file of an earlier copy was being deleted at the same moment; the sender must send the object again.
        """
        digest, now = received.digest, datetime.now(UTC)
        is_new_file = self._artifacts.keep_original(digest, Path(received.path))

        def write(transaction: Transaction) -> Novelty:
            novelty = instances.record(transaction, header, study, received, original_key(digest), operator)
            instance = digest if novelty is Novelty.DUPLICATE else None
            if novelty is Novelty.CONFLICTING and (instance := copies.instance_of(transaction, digest)):
                transaction.execute(sa.delete(t.instances).where(t.instances.c.digest == digest))
                novelty = Novelty.DUPLICATE
            if instance is not None:
                if _restore(transaction, instance, header, received, study, now, was_there=not is_new_file):
                    mended(transaction)
            else:
                admit(transaction)
            records.add(transaction, _audit(header, received, novelty, now))
            return novelty

        novelty = self._commits.run(write)
        if not is_new_file and not self._artifacts.has_original(digest):
            with self._database.begin() as transaction:
                values = {"removed_at": now, "deleted_at": now, "removal_cause": RemovalCause.AGE.value}
                of_this_file = t.instances.c.object_key == original_key(digest)
                transaction.execute(sa.update(t.instances).where(of_this_file).values(values))
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


def _restore(
    transaction: Transaction,
    instance: InstanceDigest,
    header: Header,
    received: ReceivedObject,
    study: StudyRecord,
    now: datetime,
    *,
    was_there: bool,
) -> bool:
    """Bring the row to what the file is now; True if an original that should have been there was lost or damaged.

    The file is that of the instance, or of a copy of it. It becomes the content of an instance that was removed.
    """
    of, columns = t.instances.c, ("removed_at", "removal_cause", "file_bytes", "copy_digest", "object_key")
    with_damage = t.instances.outerjoin(t.damages, t.damages.c.object_key == of.object_key)
    query = sa.select(*(of[name] for name in columns), t.damages.c.state).select_from(with_damage)
    row = transaction.execute(query.where(of.digest == instance)).one()
    cause = row.removal_cause if row.removed_at is not None else None
    key = original_key(received.digest)
    is_content = row.object_key == key
    if not is_content and cause is None:
        return False  # a further file of an image that is there
    copy_digest = received.copy_digest if received.digest == instance else received.digest
    values: dict[str, object] = {}
    if (row.file_bytes, row.copy_digest) != (received.file_bytes, copy_digest):
        values |= {"file_bytes": received.file_bytes, "copy_digest": copy_digest}
    if not is_content:
        values |= {"object_key": key, "header": documents.dump_header(header)}
    if cause is not None:
        copies.restored(transaction, instance, received.digest)
        values |= {"removed_at": None, "deleted_at": None, "removal_cause": "", "restored_at": now}
    if values:
        transaction.execute(sa.update(t.instances).where(of.digest == instance).values(values))
    if cause == RemovalCause.ERASURE.value:
        _name_again(transaction, instance, study, now)
    is_mended = row.state is not None or cause == RemovalCause.LOST.value or (cause is None and not was_there)
    if is_mended:
        damages.clear(transaction, [row.object_key])
        log.warning("a lost or damaged original came again", digest=received.digest[:16])
    return is_mended and received.digest == instance


def _name_again(transaction: Transaction, instance: InstanceDigest, study: StudyRecord, now: datetime) -> None:
    """An image of an erased patient came again, so it has a patient again."""
    number = patients.before(transaction, study, now).patient_number
    image, of_study = t.instances.c, t.studies.c
    transaction.execute(sa.update(t.instances).where(image.digest == instance).values(patient_number=number))
    transaction.execute(
        sa.update(t.studies)
        .where(of_study.study_instance_uid == study.study_instance_uid, of_study.patient_id == "")
        .values(**instances.identification(study), patient_number=number)
    )
    patients.place(transaction, patients.before(transaction, study, now), study, now, now)
