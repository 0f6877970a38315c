"""Readers' labels for calibration and training, and objects that people marked: the newest of each image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import ImageMarks, LabelOrigin, LabelRecord
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.errors import NotFoundError
from miqa_node.runtime.people import patients
from miqa_node.runtime.site_records import labels, marks
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction

_IMAGE = (*(t.instances.c[name] for name in ("object_key", "modality", "body_part", "view")), *patients.IMAGE_KEY)


@dataclass(frozen=True, slots=True)
class ReviewedImage:
    """One image with its newest label; ``patient`` is the text of its patient's key."""

    label: LabelRecord
    object_key: str
    patient: str
    modality: str
    body_part: str
    view: str

    @property
    def accepted(self) -> bool:
        """Whether the node had accepted the image, so it was sampled at random or rejected by another system."""
        return self.label.verdict == Verdict.ACCEPT.value


@dataclass(frozen=True, slots=True)
class ExportImage:
    """One image that people judged, or marked objects on, or both; ``patient`` is the text of its patient's key."""

    digest: InstanceDigest
    object_key: str
    patient: str
    modality: str
    body_part: str
    view: str
    label: LabelRecord | None
    marks: ImageMarks | None


@dataclass(frozen=True, slots=True)
class ReviewLocation:
    """The location and patient of a received image."""

    object_key: str
    patient: str


def locate(transaction: Transaction, digest: str) -> ReviewLocation:
    """The location of the image with a digest; NotFoundError if it was not received."""
    row = transaction.execute(sa.select(t.instances.c.object_key).where(t.instances.c.digest == digest)).one_or_none()
    if row is None:
        raise NotFoundError("No instance has the digest {digest}.", digest=digest)
    patient, study = patients.key_of_image(transaction, digest)
    return ReviewLocation(row.object_key, patient.text(study))


def find_digest(transaction: Transaction, name: str) -> InstanceDigest:
    """The image of a digest or SOP Instance UID; NotFoundError if it does not exist."""
    query = sa.select(t.instances.c.digest).where(
        sa.or_(t.instances.c.digest == name, t.instances.c.sop_instance_uid == name)
    )
    digest = transaction.execute(query.order_by(t.instances.c.received_at)).scalars().first()
    if digest is None:
        raise NotFoundError("No instance has the digest or UID {name}.", name=name)
    return InstanceDigest(digest)


def newest(transaction: Transaction) -> list[ReviewedImage]:
    """Each labelled image with its newest label, except second readings, in the order of the labels."""
    latest = (
        sa.select(sa.func.max(t.labels.c.label_id).label("label_id"))
        .where(t.labels.c.origin != LabelOrigin.SECOND_READING.value, labels.in_force())
        .group_by(t.labels.c.digest)
        .subquery()
    )
    query = (
        sa.select(t.labels, *_IMAGE)
        .select_from(patients.IMAGES.join(t.labels, t.labels.c.digest == t.instances.c.digest))
        .join(latest, latest.c.label_id == t.labels.c.label_id)
        .order_by(t.labels.c.label_id)
    )
    return [
        ReviewedImage(labels.from_row(row), row.object_key, _patient(row), row.modality, row.body_part, row.view)
        for row in transaction.execute(query)
    ]


def for_export(transaction: Transaction) -> list[ExportImage]:
    """Images with labels in the order of these, then images on which people only marked objects."""
    marked = marks.newest(transaction)
    images = [
        ExportImage(
            one.label.digest, one.object_key, one.patient, one.modality, one.body_part, one.view, one.label,
            marked.pop(one.label.digest, None),
        )
        for one in newest(transaction)
    ]  # fmt: skip
    query = (
        sa.select(t.instances.c.digest, *_IMAGE)
        .select_from(patients.IMAGES)
        .where(t.instances.c.digest.in_(sa.select(t.marks.c.digest)))
    )
    rows = {InstanceDigest(row.digest): row for row in transaction.execute(query)}
    return images + [
        ExportImage(digest, row.object_key, _patient(row), row.modality, row.body_part, row.view, None, only)
        for digest, only in marked.items()
        if (row := rows[digest])
    ]


def undecided_images(transaction: Transaction) -> int:
    """Number of resolved studies without a label, because several images are flagged and the reader chose none."""
    labelled = (
        sa.select(t.labels.c.label_id)
        .join(t.instances, t.instances.c.digest == t.labels.c.digest)
        .where(t.instances.c.study_instance_uid == t.worklist.c.study_instance_uid, labels.in_force())
    )
    query = (
        sa.select(sa.func.count())
        .select_from(t.worklist)
        .where(t.worklist.c.state == WorklistState.RESOLVED.value, ~labelled.exists())
    )
    return int(transaction.execute(query).scalar_one())


def _patient(row: Any) -> str:
    """The text of the key of the patient in a row with the columns of an image."""
    patient, study = patients.image_key(row)
    return patient.text(study)
