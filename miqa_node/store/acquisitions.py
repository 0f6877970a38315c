"""Exposures for the analysis: one narrow row each, written with the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.domain.acquisition import Acquisition, AcquisitionRules
from miqa_node.domain.assessment import Assessment
from miqa_node.domain.instance import Header, StoredInstance
from miqa_node.domain.policy import Disposition
from miqa_node.store import measurement_weeks
from miqa_node.store.database import Transaction, insert_or_ignore
from miqa_node.store.prepared import DriverStatement
from miqa_node.store.tables import acquisition_findings, acquisitions, studies

SAME_EXPOSURE_S = 2.0
"""Maximum time between differently processed images of one exposure; a repeat takes longer."""
VIEW = ("patient_key", "modality", "body_part", "view", "laterality")
"""Columns that are the same in exposures of one view of one patient."""


def counts(instance: StoredInstance) -> bool:
    """Whether this image counts as an exposure of a patient.

    Not counted: test objects, the raw image besides the one for presentation, and objects with a known UID.
    """
    header = instance.header
    return not (header.quality_control or instance.conflicting or header.presentation_intent_type == "FOR PROCESSING")


def record(
    transaction: Transaction,
    instance: StoredInstance,
    assessment: Assessment,
    disposition: Disposition,
    rules: AcquisitionRules,
    now: datetime,
) -> None:
    """Record the exposure of an image, and the earlier exposure that it repeats."""
    header = instance.header
    study = _PATIENT.run(transaction, {"study": header.study_instance_uid})
    acquisition = rules.describe(instance, (study and study.patient_id) or header.study_instance_uid)
    exposure = {
        "day": acquisition.acquired_at.date(),
        "detector": header.detector_id or header.station_name or instance.calling_ae_title,
        "patient_key": acquisition.patient_key,
    }
    new = insert_or_ignore(
        transaction,
        acquisitions,
        {
            "digest": instance.digest,
            **exposure,
            "acquired_at": acquisition.acquired_at,
            "modality": header.modality[:16],
            "room": acquisition.room,
            "station": header.station_name or instance.calling_ae_title,
            "operator": instance.operator,
            "body_part": header.body_part_examined,
            "view": header.view_position,
            "laterality": header.image_laterality[:16],
            "shift": acquisition.shift,
            "exposure_index": header.exposure_index,
            "target_exposure_index": header.target_exposure_index,
            "deviation_index": header.deviation_index,
            "verdict": disposition.verdict.value,
            "model": _model(assessment),
            "archived": acquisition.archived,
            "repeated": _later_one(transaction, header, acquisition, rules),
            "rejected": False,
            "reject_reason": "",
            "judged_bad": None,
            "binned": False,
            "changed_at": now,
        },
    )
    if not new:
        return
    _mark_earlier_ones(transaction, header, acquisition, rules, now)
    _add_findings(transaction, assessment, exposure)


_PATIENT = DriverStatement(
    lambda _dialect: sa.select(studies.c.patient_id).where(studies.c.study_instance_uid == sa.bindparam("study"))
)


def follow(
    transaction: Transaction,
    assessment: Assessment,
    disposition: Disposition,
    replaced: Assessment | None,
    now: datetime,
) -> bool:
    """Update a counted exposure with the verdict of a repeated judgement; False if there is no such exposure.

    Labels of people and other systems stay.
    """
    this = acquisitions.c.digest == assessment.digest
    row = transaction.execute(sa.select(acquisitions).where(this)).one_or_none()
    if row is None:
        return False
    if row.binned and replaced is not None:
        measurement_weeks.take_back(transaction, row.day, row.station, replaced)
    values = {"verdict": disposition.verdict.value, "model": _model(assessment), "binned": False, "changed_at": now}
    transaction.execute(sa.update(acquisitions).where(this).values(values))
    transaction.execute(sa.delete(acquisition_findings).where(acquisition_findings.c.digest == assessment.digest))
    exposure = {"day": row.day, "detector": row.detector, "patient_key": row.patient_key}
    _add_findings(transaction, assessment, exposure)
    return True


def _model(assessment: Assessment) -> str:
    return f"{assessment.model.name}-{assessment.model.version}" if assessment.model else ""


def _add_findings(transaction: Transaction, assessment: Assessment, exposure: Mapping[str, Any]) -> None:
    for finding in assessment.findings:
        if finding.present:
            x, y = finding.peak or (None, None)
            values = {"digest": assessment.digest, "finding": finding.name, "x": x, "y": y, **exposure}
            _ADD_FINDING.run(transaction, values)


_ADD_FINDING = DriverStatement(lambda _dialect: sa.insert(acquisition_findings))


def _view(header: Header, made: Acquisition) -> dict[str, str]:
    """A view of a patient, as parameters of :func:`_between`."""
    return {
        "the_patient_key": made.patient_key,
        "the_modality": header.modality[:16],
        "the_body_part": header.body_part_examined,
        "the_view": header.view_position,
        "the_laterality": header.image_laterality[:16],
    }


def _between() -> list[sa.ColumnElement[bool]]:
    """Exposures of the same view of the same patient from a ``first`` to a ``last`` moment."""
    of = acquisitions.c
    same = [of[name] == sa.bindparam(f"the_{name}") for name in VIEW]
    return [*same, of.acquired_at >= sa.bindparam("first"), of.acquired_at <= sa.bindparam("last")]


def _later_one(transaction: Transaction, header: Header, made: Acquisition, rules: AcquisitionRules) -> bool:
    """Whether a later image of the same view has already arrived: images may arrive in any order."""
    if not header.view_position:
        return False
    first = made.acquired_at + timedelta(seconds=SAME_EXPOSURE_S)
    last = made.acquired_at + timedelta(seconds=rules.repeat_window_s)
    return _LATER.run(transaction, {**_view(header, made), "first": first, "last": last}) is not None


_LATER = DriverStatement(lambda _dialect: sa.select(acquisitions.c.digest).where(*_between()).limit(1))


def _mark_earlier_ones(
    transaction: Transaction, header: Header, made: Acquisition, rules: AcquisitionRules, now: datetime
) -> None:
    if not header.view_position:
        return
    first = made.acquired_at - timedelta(seconds=rules.repeat_window_s)
    last = made.acquired_at - timedelta(seconds=SAME_EXPOSURE_S)
    _MARK_EARLIER.run(transaction, {**_view(header, made), "first": first, "last": last, "now": now})


_MARK_EARLIER = DriverStatement(
    lambda _dialect: (
        sa.update(acquisitions)
        .where(*_between(), ~acquisitions.c.repeated)
        .values(repeated=True, changed_at=sa.bindparam("now"))
    )
)
