"""Makes histories of one CT scanner, as the pipeline leaves them in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.instance import InstanceDigest, SeriesInstanceUid, StudyInstanceUid, StudyRecord
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.features.usual_ranges.work import HistoryWork
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import digest, header, received

FIRST_AT = datetime(2026, 3, 2, 8)  # noqa: DTZ001 - a scanner's clock has no zone
CT = {
    "modality": "CT",
    "has_pixels": True,
    "rows": 512,
    "columns": 512,
    "samples_per_pixel": 1,
    "view_position": "",
    "station_name": "CT1",
    "manufacturer": "ACME",
    "manufacturer_model_name": "Scan 64",
    "detector_id": "SN1",
    "protocol_name": "Thorax",
    "convolution_kernel": "B30f",
    "software_versions": "V1",
}
UNITS = {"ct_noise": "[hnsf'U]", "hu_air": "[hnsf'U]", "metal_share": "%"}


def measure(
    database: Database,
    number: int,
    at: datetime,
    numbers: Mapping[str, float],
    *,
    decided_at: datetime | None = None,
    received_at: datetime | None = None,
    fields: Mapping[str, Any] | None = None,
    authority: str | None = "",
    **changed: Any,
) -> InstanceDigest:
    """One CT series that was measured; ``changed`` are values of its header, ``fields`` of its assessment.

    ``authority`` assigned the patient's ID.

    It is received when it is taken, unless told.
    """
    of, now = digest(f"ranges {number}"), decided_at or datetime.now(UTC)
    own = {
        "series_instance_uid": SeriesInstanceUid(f"1.2.7.{number}"),
        "study_instance_uid": StudyInstanceUid(f"1.2.8.{number}"),
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "acquired_at": at,
    }
    made = replace(header(number), **{**CT, **own, **changed})
    accession, patient = f"ACC{number}", f"ID{number}"
    record = StudyRecord(made.study_instance_uid, accession, patient, "Doe^Jane", "20260302", "", authority=authority)
    measurements = tuple(Measurement(name, value, UNITS.get(name, "1")) for name, value in numbers.items())
    assessment = Assessment(of, made, now, measurements=measurements, not_assessed="No model.", **(fields or {}))
    with database.begin() as transaction:
        arrival = received(of, received_at or at.replace(tzinfo=UTC))
        instances.record(transaction, made, record, arrival, original_key(of))
        instances.save_assessment(transaction, assessment)
        verdict = Disposition(Verdict.NOT_ASSESSED, (), "1", "")
        instances.save_disposition(transaction, of, made.study_instance_uid, verdict, now)
    return of


def noises(count: int, level: float = 10.0, spread: float = 1.0, seed: int = 1) -> list[float]:
    """Normal numbers."""
    return [float(one) for one in np.random.default_rng(seed).normal(level, spread, count)]


def days(count: int, first_at: datetime = FIRST_AT) -> list[datetime]:
    """One series a day."""
    return [first_at + timedelta(days=number) for number in range(count)]


def fill(database: Database, numbers: Iterable[float], first: int = 0, **changed: Any) -> datetime:
    """A series a day with these noises, added one by one as they come; the day after the last."""
    at = FIRST_AT + timedelta(days=first)
    for number, noise in enumerate(numbers, first):
        measure(database, number, at, {"ct_noise": noise, "hu_air": -998.0}, **changed)
        look(database)
        at += timedelta(days=1)
    return at


def look(database: Database) -> int:
    """Add what is new, as the node does in the background."""
    return HistoryWork(database, 0.02).look()
