"""A study whose images name several patients: nobody wins, and people are asked to look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StudyPatient:
    """One of the patients of a study; ``authority`` is None if nobody knows any more who assigned the ID."""

    patient_id: str
    authority: str | None
    patient_name: str
    images: int


@dataclass(frozen=True, slots=True)
class PatientConflict:
    """The patients in the order in which their first images came; ``resolved_at`` is None until a person has looked."""

    study_instance_uid: str
    found_at: datetime
    patients: tuple[StudyPatient, ...]
    resolved_at: datetime | None = None
    resolved_by: str = ""
    comment: str = ""
