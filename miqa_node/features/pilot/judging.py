"""Judges a fetched file as ``assess`` does: nothing of it is stored, delivered or told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.pixel_text import TextLine
from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import UnreadableError
from miqa_node.features.pilot.past_rooms import PastRoomsKind
from miqa_node.features.pilot.rows.images import JudgedImage
from miqa_node.interfaces.cli.site_choice import choice_of, site_limits_of
from miqa_node.local import LocalAssessor
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.units.rows.acquisition_rules import acquisition_rules


class PilotJudge:
    """The models, the policy and the limits that are in force when the run begins. Close it at the end."""

    def __init__(self, settings: Settings, past: PastRoomsKind | None = None) -> None:
        """With ``past`` rooms learn from what is judged."""
        self._past, self._settings = past, settings.policy
        self._anatomy = settings.imaging.anatomy
        self._authorities = settings.patients.authorities
        self._rules = acquisition_rules(settings)
        self._assessor = LocalAssessor(settings, choice_of(settings), limits=site_limits_of(settings))

    def judge(self, file: Path) -> JudgedImage:
        """Judge one file.

        Raises
        ------
        DataSetError
            Its header cannot be read.
        OSError
            The file is gone.
        """
        size_bytes = file.stat().st_size
        header, study = read_header(file, nameless=True, anatomy=self._anatomy)
        patient = PatientKey(study.patient_id, self._authorities.authority(study.authority or "", "", ""))
        digest, now = InstanceDigest(data_set_digest(file)), datetime.now(UTC)
        exposure = self._rules.describe(
            StoredInstance(digest, header, "", now, ""), patient.text(study.study_instance_uid)
        )
        day = exposure.acquired_at.date() if header.acquired_at else _day(study.study_date)
        image = JudgedImage(digest, size_bytes, patient, exposure.room, day, header)
        try:
            result = self._assessor.assess_file(file)
        except UnreadableError as error:  # the node gives NOT_ASSESSED with the same words
            return replace(image, unassessed=str(error))
        return replace(image, assessment=result.assessment, disposition=result.disposition)

    @property
    def teaches(self) -> bool:
        """Whether rooms learn."""
        return self._past is not None

    def learned(self, database: Database, images: Iterable[Assessment]) -> dict[str, bool]:
        """What rooms learn from all images: by digest whether its room's own limits flag it."""
        if self._past is None:
            return {}
        return self._past.learned(database, self._assessor.policy, self._settings, images, datetime.now(UTC))

    def look(self, file: Path) -> tuple[Radiograph, Sequence[TextLine]]:
        """The decoded image, and where text was found in it.

        Raises
        ------
        UnreadableError
            It cannot be decoded.
        """
        result = self._assessor.assess_file(file)
        return result.radiograph, result.assessment.text

    def close(self) -> None:
        """End the processes that decode."""
        self._assessor.close()


def _day(study_date: str) -> date | None:
    try:
        return date.fromisoformat(study_date)
    except ValueError:
        return None
