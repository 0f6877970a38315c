"""The images of one exposure, among those of a patient in a study (:mod:`miqa_node.core.domain.derivation`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain import derivation
from miqa_node.core.domain.instance import Header, InstanceDigest, SopInstanceUid, StoredInstance
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.prepared import DriverStatement, each
from miqa_node.runtime.store.tables import instances
from miqa_node.stages.units.rows.instances import load

MOST_IMAGES = 100
"""Images of one exposure that are looked at."""

_of = instances.c
_OWN = instances.alias()


@dataclass(frozen=True, slots=True)
class ExposureImage:
    """Another image of the same exposure."""

    digest: InstanceDigest
    header: Header
    received_at: datetime


def others(transaction: Transaction, instance: StoredInstance) -> list[ExposureImage]:
    """The other images of the exposure that an image shows, in the order of their arrival."""
    return same_among(instance.header, near(transaction, instance))


def same_among(header: Header, images: Sequence[ExposureImage]) -> list[ExposureImage]:
    """Those that show the exposure of an image, of the images that are :func:`near` it."""
    return [one for one in images if derivation.is_same_exposure(header, one.header)]


def is_composed(header: Header, images: Sequence[ExposureImage]) -> bool:
    """Whether images :func:`near` it show all of its irradiation events, each a part: it is no exposure of its own."""
    own = set(header.irradiation_event_uids)
    parts = (set(one.header.irradiation_event_uids) for one in images)
    return bool(own) and own == {uid for part in parts if part < own for uid in part}


def compositions(transaction: Transaction, header: Header, images: Sequence[ExposureImage]) -> list[InstanceDigest]:
    """Those of the images :func:`near` it that are composed of it and of others, all of which are there."""
    own = set(header.irradiation_event_uids)
    larger = [one for one in images if own and own < set(one.header.irradiation_event_uids)]
    return [one.digest for one in larger if is_composed(one.header, near(transaction, load(transaction, one.digest)))]


def near(transaction: Transaction, instance: StoredInstance) -> list[ExposureImage]:
    """Images of the patient in the study that may show the exposure, or a part of it."""
    header = instance.header
    moment = header.acquired_at if header.is_acquired_at else None
    events = [f'"{uid}"' for uid in header.irradiation_event_uids]
    uids = {"this": instance.digest, "own": header.sop_instance_uid, "origin": header.source_instance_uid or None}
    where = {"study": header.study_instance_uid, "kind": header.modality[:16], "events": events}
    values = {**uids, **where, "moment": moment and moment.isoformat()}
    images = [
        ExposureImage(InstanceDigest(row.digest), documents.load_header(row.header), row.received_at)
        for row in _NEAR.all(transaction, values)
    ]
    return [one for one in images if not one.header.quality_control]


def plain_of(transaction: Transaction, instance: StoredInstance) -> SopInstanceUid | None:
    """The SOP Instance UID of the plain image from which an image derives; None if it is plain itself."""
    own = derivation.rank(instance.header)
    plainer = [one.header for one in others(transaction, instance) if derivation.rank(one.header) < own]
    return min(plainer, key=derivation.rank).sop_instance_uid if plainer else None


def comes_before(one: ExposureImage | StoredInstance, other: ExposureImage | StoredInstance) -> bool:
    """Whether an exposure is counted as ``one`` rather than as ``other``: the plainer image, else the earlier one."""
    return _order(one) < _order(other)


def _order(one: ExposureImage | StoredInstance) -> tuple[Any, ...]:
    return derivation.rank(one.header), one.received_at, one.digest


def _near(dialect: str) -> sa.Select[Any]:
    """Those that meet a condition that every image of the exposure meets."""
    this, study, kind, own, origin, moment = (
        sa.bindparam(name, type_=sa.Text()) for name in ("this", "study", "kind", "own", "origin", "moment")
    )
    event, events = each(dialect, "events", sa.Text()).c.value, sa.cast(_of.header["irradiation_event_uids"], sa.Text)
    hints = (
        _of.header["source_instance_uid"].as_string() == own,
        _of.sop_instance_uid == origin,
        _of.header["acquired_at"].as_string() == moment,
        sa.exists(sa.select(event).where(events.contains(event))),
    )
    patient = sa.select(_OWN.c.patient_number).where(_OWN.c.digest == this).scalar_subquery()
    same = _of.study_instance_uid == study, _of.modality == kind, _of.patient_number.is_not_distinct_from(patient)
    query = sa.select(_of.digest, _of.header, _of.received_at).where(*same, _of.digest != this, ~_of.conflicting)
    return query.where(sa.or_(*hints)).order_by(_of.received_at, _of.digest).limit(MOST_IMAGES)


_NEAR = DriverStatement(_near)
