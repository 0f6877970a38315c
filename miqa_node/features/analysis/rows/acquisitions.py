"""Exposures for the analysis: one narrow row each, written with the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Derivation, InstanceDigest, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.features.analysis.rows import measurement_weeks, positionings, rollup
from miqa_node.runtime.people import patients
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import acquisition_findings, acquisitions
from miqa_node.stages.units.rows import exposures, instances, repeats
from miqa_node.stages.units.rows.exposures import ExposureImage


def counts(instance: StoredInstance) -> bool:
    """Whether this image shows an exposure of a patient; test objects, pages and objects with a known UID do not."""
    header = instance.header
    is_page = header.derivation is Derivation.PAGE and not header.irradiation_event_uids
    return not (header.quality_control or is_page or instance.conflicting)


def record(
    transaction: Transaction, judgement: Judgement, rules: AcquisitionRules, now: datetime
) -> list[ExposureImage]:
    """Record the exposure of an image, and the earlier exposure that it repeats; returns its other images.

    An exposure with several images is recorded once, as the plainest of them, and an image that is composed of others
    not at all.
    """
    instance, assessment = judgement.instance, judgement.assessment
    header = instance.header
    patient, study = patients.key_of_image(transaction, instance.digest)
    acquisition = rules.describe(instance, patient.text(study))
    repeats.take_turn(transaction, acquisition.patient_key)
    near = exposures.near(transaction, instance)
    same = exposures.same_among(header, near)
    if any(exposures.comes_before(one, instance) for one in same) or exposures.is_composed(header, near):
        return same
    for digest in (*(one.digest for one in same), *exposures.compositions(transaction, header, near)):
        _forget(transaction, digest, now)
    moment = repeats.moment_of(transaction, acquisition, rules)
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
            "moment": moment,
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
            "verdict": judgement.disposition.verdict.value,
            "model": _model(assessment),
            "archived": acquisition.archived,
            "repeated": False,
            "rejected": False,
            "reject_reason": "",
            "judged_bad": None,
            "binned": False,
            "changed_at": now,
        },
    )
    if new:
        if header.view_position:
            repeats.mark(transaction, instance, acquisition, moment, rules, now)
        _add_findings(transaction, assessment, exposure)
        positionings.record(transaction, assessment)
    return same


def _forget(transaction: Transaction, digest: InstanceDigest, now: datetime) -> None:
    """An image that was recorded as an exposure derives from one that came later, or is composed of such."""
    this = acquisitions.c.digest == digest
    row = transaction.execute(sa.delete(acquisitions).where(this).returning(acquisitions)).one_or_none()
    if row is None:
        return
    if row.binned and (assessment := instances.load_assessment(transaction, digest)) is not None:
        measurement_weeks.take_back(transaction, row.day, row.station, assessment)
    transaction.execute(sa.delete(acquisition_findings).where(acquisition_findings.c.digest == digest))
    positionings.forget(transaction, digest)
    rollup.count_again(transaction, row.day, now)


def follow(transaction: Transaction, judgement: Judgement, replaced: Assessment | None, now: datetime) -> bool:
    """Update a counted exposure with the verdict of a repeated judgement; False if there is no such exposure.

    Labels of people and other systems stay.
    """
    assessment, verdict = judgement.assessment, judgement.disposition.verdict
    this = acquisitions.c.digest == assessment.digest
    row = transaction.execute(sa.select(acquisitions).where(this)).one_or_none()
    if row is None:
        return False
    if row.binned and replaced is not None:
        measurement_weeks.take_back(transaction, row.day, row.station, replaced)
    values = {"verdict": verdict.value, "model": _model(assessment), "binned": False, "changed_at": now}
    transaction.execute(sa.update(acquisitions).where(this).values(values))
    transaction.execute(sa.delete(acquisition_findings).where(acquisition_findings.c.digest == assessment.digest))
    exposure = {"day": row.day, "detector": row.detector, "patient_key": row.patient_key}
    _add_findings(transaction, assessment, exposure)
    positionings.forget(transaction, assessment.digest)
    positionings.record(transaction, assessment)
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
