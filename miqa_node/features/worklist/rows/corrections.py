"""UIDs that users assign to objects received without them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, SeriesInstanceUid, StoredInstance, StudyInstanceUid
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import ConflictError
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.people import patients
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store import documents
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database, Transaction, insert_or_ignore
from miqa_node.stages.units.rows import instances


def give_uids(
    database: Database,
    objects: ObjectStore,
    digest: InstanceDigest,
    study_uid: str,
    series_uid: str,
    actor: str,
    now: datetime,
) -> StoredInstance:
    """Assign an object without Study or Series Instance UID to its study and series.

    The stored file is unchanged, and the verdict stays until the object is assessed again. An empty argument means the
    UID in the file.

    Raises
    ------
    NotFoundError
        The object does not exist.
    ConflictError
        A UID is still missing, contradicts the file's, or was not missing; or the study belongs to another patient.
    """
    with database.begin() as transaction:
        instance = instances.load(transaction, digest)
    if not instance.header.missing_uids:
        raise ConflictError("The object has its Study and Series Instance UID; only missing ones can be given.")
    file, _ = read_header(objects.local_path(instance.object_key), relaxed=True)
    study = _agreed("Study Instance UID", file.study_instance_uid, study_uid)
    series = _agreed("Series Instance UID", file.series_instance_uid, series_uid)
    surrogate = instance.header.study_instance_uid
    header = replace(
        instance.header,
        study_instance_uid=StudyInstanceUid(study),
        series_instance_uid=SeriesInstanceUid(series),
        missing_uids=(),
    )
    with database.begin() as transaction:
        if study != surrogate:
            _join_study(transaction, digest, surrogate, study)
        transaction.execute(
            sa.update(t.instances)
            .where(t.instances.c.digest == digest)
            .values(study_instance_uid=study, series_instance_uid=series, header=documents.dump_header(header))
        )
        if study != surrogate:
            _move_item(transaction, surrogate, header.study_instance_uid, now)
        study_notes.note(
            transaction, study, "corrected", actor, Phrase("UIDs given to {uid}", uid=header.sop_instance_uid), now
        )
    return replace(instance, header=header)


def _agreed(name: str, of_file: str, argument: str) -> str:
    """The UID of the file or the given one; ConflictError if they differ or both are missing."""
    if not (of_file or argument):
        raise ConflictError("The object has no {keyword}, so one must be given.", keyword=name)
    if of_file and argument not in ("", of_file):
        raise ConflictError(
            "The {keyword} of the object is {uid}; only missing UIDs can be given.", keyword=name, uid=of_file
        )
    return of_file or argument


def _join_study(transaction: Transaction, digest: InstanceDigest, surrogate: str, study: str) -> None:
    """Create the study if it is new, with the object's patient; ConflictError if it is another patient's."""
    columns = [column for column in t.studies.c if column is not t.studies.c.study_instance_uid]
    own = transaction.execute(sa.select(*columns).where(t.studies.c.study_instance_uid == surrogate)).mappings().one()
    if insert_or_ignore(transaction, t.studies, {"study_instance_uid": study, **own}):
        return
    patient, _ = patients.key_of_image(transaction, digest)
    if not any(patient.may_be(key) for key in patients.keys_in_study(transaction, study)):
        raise ConflictError("The study belongs to a patient with another Patient ID, or with one of another authority.")


def _move_item(transaction: Transaction, surrogate: str, study: StudyInstanceUid, now: datetime) -> None:
    """Move the verdict, and the worklist item with its history, to the study."""
    verdict = transaction.execute(
        sa.select(t.worklist.c.verdict).where(t.worklist.c.study_instance_uid == surrogate)
    ).scalar_one_or_none()
    for table in (t.dispositions, t.worklist_events, t.decisions):
        own = table.c.study_instance_uid == surrogate
        transaction.execute(sa.update(table).where(own).values(study_instance_uid=study))
    for table in (t.worklist_facets, t.worklist, t.announcements, t.studies):
        transaction.execute(sa.delete(table).where(table.c.study_instance_uid == surrogate))
    if verdict is not None:
        worklist.flag(transaction, study, Verdict(verdict), now)
