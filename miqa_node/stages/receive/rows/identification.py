"""Finds out whose images are that an earlier version received: it kept no authority, and one patient for each study.

The image itself says it. If its file is gone, the Patient ID is that of its stored header or of its study, and the
authority is unknown. Each batch is a transaction of its own, so the work may be killed at any moment and goes on with
the next image; it needs the memory of one batch, however many images there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.authorities import AuthorityRules
from miqa_node.core.domain.instance import StudyInstanceUid, StudyRecord
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import lacks_resources
from miqa_node.runtime.people import patients
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import instances, source_headers, studies
from miqa_node.stages.units.rows import repeats

BATCH = 200


@dataclass(frozen=True, slots=True)
class _Finding:
    """An image without patient, and what is known of its patient."""

    digest: str
    received_at: datetime
    earlier: str
    """The text that identified the patient before."""
    study: StudyRecord


class Identification:
    """Reads whose images are that have no patient yet."""

    def __init__(
        self, database: Database, objects: ObjectStore, authorities: AuthorityRules, exposures: AcquisitionRules
    ) -> None:
        self._database = database
        self._objects = objects
        self._authorities = authorities
        self._exposures = exposures

    def read_some(self, now: datetime, patient_id: str = "") -> int:
        """Read one batch, the oldest first, or of studies with this Patient ID; returns how many images it had."""
        with self._database.begin() as transaction:
            rows = transaction.execute(_waiting(patient_id).limit(BATCH)).all()
        findings = [self._find(row) for row in rows]
        moved = [one for one in findings if one.earlier and one.study.patient.text(_study(one)) != one.earlier]
        # PostgreSQL locks the patients of exposures: no more than those of one image at a time.
        for group in [moved] if self._database.is_sqlite else [[one] for one in moved]:
            self._write(group, lambda transaction, one: self._move_exposure(transaction, one, now))
        self._write(findings, lambda transaction, one: _name(transaction, one, now))
        return len(rows)

    def read_all(self, patient_id: str, now: datetime) -> None:
        """Read all images of studies with this Patient ID, before something is done with them."""
        while self.read_some(now, patient_id):
            pass

    def _find(self, row: Any) -> _Finding:
        earlier = row.study_patient_id or row.study_instance_uid
        study = self.read(row) or StudyRecord(
            StudyInstanceUid(row.study_instance_uid),
            row.accession_number,
            row.own_patient_id or row.study_patient_id,
            row.patient_name if row.own_patient_id in (None, "", row.study_patient_id) else "",
            row.study_date,
            "",
            authority=None,
        )
        is_erased = not row.study_patient_id and row.removed_at is not None
        return _Finding(row.digest, row.received_at, "" if is_erased else earlier, study)

    def read(self, row: Any) -> StudyRecord | None:
        """What the file of an image says, by the rules in force; None if it is gone. The row is of :func:`images`."""
        if row.removed_at is not None:
            return None
        try:
            _, study = read_header(self._objects.local_path(row.object_key), nameless=True, relaxed=True)
        except Exception as error:  # a foreign file can fail in any way, and must not stop the work on others
            if lacks_resources(error):
                raise
            return None
        authority = self._authorities.authority(study.authority or "", row.calling_ae_title, row.peer_address)
        uid = StudyInstanceUid(row.study_instance_uid)  # a surrogate, if the file has none
        return replace(study, study_instance_uid=uid, authority=authority)

    def _move_exposure(self, transaction: Transaction, one: _Finding, now: datetime) -> None:
        earlier = self._exposures.patient_key(one.earlier)
        own = self._exposures.patient_key(one.study.patient.text(_study(one)))
        repeats.move(transaction, one.digest, earlier, own, self._exposures, now)

    def _write(self, group: Sequence[_Finding], write: Callable[[Transaction, _Finding], None]) -> None:
        if group:
            with self._database.begin() as transaction:
                for one in group:
                    write(transaction, one)


def _study(one: _Finding) -> str:
    return one.study.study_instance_uid


def images(*more: sa.ColumnElement[Any]) -> sa.Select[tuple[Any, ...]]:
    """What is known of images, the oldest first, with further columns."""
    of = instances.c
    return (
        sa.select(
            of.digest,
            of.study_instance_uid,
            of.object_key,
            of.calling_ae_title,
            of.peer_address,
            of.received_at,
            of.removed_at,
            studies.c.accession_number,
            studies.c.patient_id.label("study_patient_id"),
            studies.c.patient_name,
            studies.c.study_date,
            source_headers.c.patient_id.label("own_patient_id"),
            *more,
        )
        .select_from(
            instances.join(studies, studies.c.study_instance_uid == of.study_instance_uid).outerjoin(
                source_headers, source_headers.c.digest == of.digest
            )
        )
        .order_by(of.received_at, of.digest)
    )


def _waiting(patient_id: str) -> sa.Select[tuple[Any, ...]]:
    query = images().where(NAMELESS_IMAGE)
    if patient_id:
        query = query.where(sa.or_(studies.c.patient_id == patient_id, source_headers.c.patient_id == patient_id))
    return query


NAMELESS_IMAGE = instances.c.patient_number.is_(None)


def _name(transaction: Transaction, one: _Finding, now: datetime) -> None:
    patient = patients.before(transaction, one.study, one.received_at)
    update = (
        sa.update(instances)
        .where(instances.c.digest == one.digest, NAMELESS_IMAGE)
        .values(patient_number=patient.patient_number)
        .returning(instances.c.digest)
    )
    if transaction.execute(update).first() is not None:  # else another process has read it
        patients.place(transaction, patient, one.study, one.received_at, now)
