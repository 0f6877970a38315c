"""An archive as the source of a pilot: asked by C-FIND or QIDO-RS, fetched from by C-GET, C-MOVE or WADO-RS."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from miqa_node.core.domain.instance import (
    Header,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
    can_name,
)
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.senders import AuthorityRules
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ClassRefusedError, ConflictError, DeliveryError
from miqa_node.features.pilot.moves import MoveToNode
from miqa_node.features.pilot.protocol import CountedSeries, PilotProtocol
from miqa_node.features.pilot.rows.images import FoundImage
from miqa_node.features.pilot.source import PilotSource
from miqa_node.stages.deliver.kinds.base import Destination
from miqa_node.stages.units.kinds import likely_class

Vocabulary = Callable[[str], str]
COMES_UNMARKED = Phrase(
    "The archive sends the images of a C-MOVE without Move Originator AE Title and Message ID, so nobody can tell them"
    " from others: C-MOVE is refused, and what came is an ordinary image. Let the archive allow C-GET, or name a"
    " destination of kind stow."
)
NEVER_CAME = Phrase("The archive says that it sent the object, and the node did not receive it.")

_STUDY = dict.fromkeys(("StudyInstanceUID", "StudyDate", "ModalitiesInStudy", "PatientID", "IssuerOfPatientID"), "")
_NUMBER = "NumberOfSeriesRelatedInstances"
_SERIES = dict.fromkeys(("SeriesInstanceUID", "Modality", "BodyPartExamined", "StationName", _NUMBER), "")
_IMAGE = dict.fromkeys(("SOPInstanceUID", "SOPClassUID"), "")


class Way(StrEnum):
    """How objects are fetched from an archive of kind ``cstore``."""

    ANY = "any"
    """By C-GET, or by C-MOVE if it does none."""
    GET = "get"
    MOVE = "move"


class ArchiveSource(PilotSource):
    """One destination. ``rooms`` gives the name of a room for a station, ``parts`` that of a body part."""

    def __init__(
        self,
        archive: Destination,
        protocol: PilotProtocol,
        authorities: AuthorityRules,
        rooms: Vocabulary,
        parts: Vocabulary,
        *,
        way: Way = Way.ANY,
        move: MoveToNode | None = None,
    ) -> None:
        """``move`` is for kinds that do C-MOVE."""
        self._archive, self._protocol, self._authorities = archive, protocol, authorities
        self._rooms, self._parts = rooms, parts
        self._way, self._move = way, move
        self._study = ""

    def days(self) -> list[str]:
        """Each day of the period."""
        since, until = self._protocol.since, self._protocol.until
        return [f"{since + timedelta(days=one):%Y%m%d}" for one in range((until - since).days + 1)]

    def count(self, day: str) -> Iterator[CountedSeries]:
        """By series; counted image by image where the archive does not say how many a series has."""
        for study, series in self._series(day):
            number = series[_NUMBER]
            images = int(number) if number.isdecimal() else len(self._instances(study, series))
            part = series["BodyPartExamined"]
            yield CountedSeries(
                day, series["Modality"], images, self._rooms(series["StationName"]), part and self._parts(part)
            )

    def images(self, day: str) -> Iterator[FoundImage]:
        """All images of the series of a day."""
        for study, series in self._series(day):
            authority = self._authorities.authority(study["IssuerOfPatientID"], "", "")
            patient = PatientKey(study["PatientID"], authority)
            for one in self._instances(study, series):
                uids = study["StudyInstanceUID"], series["SeriesInstanceUID"], one["SOPInstanceUID"]
                sop_class = one["SOPClassUID"] or likely_class(series["Modality"])
                yield FoundImage(*uids, sop_class, series["Modality"], day, patient)

    def fetch(self, image: FoundImage, folder: Path) -> Path:
        """By C-GET or WADO-RS, or by C-MOVE to this node.

        Raises
        ------
        ConflictError
            What comes by C-MOVE cannot be told from ordinary images.
        """
        header = Header(
            image.sop_class_uid, SopInstanceUid(image.sop_instance_uid), SeriesInstanceUid(image.series_instance_uid),
            StudyInstanceUid(image.study_instance_uid), "", image.modality,
        )  # fmt: skip
        file = folder / f"{image.sop_instance_uid}.dcm"
        if self._way is not Way.MOVE:
            try:
                file.write_bytes(self._archive.pull(header))
            except ClassRefusedError:
                if self._way is Way.GET or self._move is None:
                    raise
                self._way = Way.MOVE
            else:
                return file
        if self._move is None:
            raise DeliveryError("This kind of destination does no C-MOVE.")
        message_id = 1 + secrets.randbelow(0xFFFF)
        self._move.expect(message_id)
        self._archive.have_sent(header, self._move.ae_title, message_id)
        if not file.exists():
            if self._move.came_otherwise(image.sop_instance_uid):
                raise ConflictError(COMES_UNMARKED)
            raise DeliveryError(NEVER_CAME)
        return file

    def ask(self) -> None:
        """For one study by its UID."""
        self._archive.search("STUDY", {"StudyInstanceUID": self._study or "1.2.3", "StudyDate": ""})

    def close(self) -> None:
        """Release the association."""
        self._archive.close()

    def _series(self, day: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
        """Yield studies of the day with their series of the modalities, and of the body part as far as they say it."""
        studies: dict[str, dict[str, str]] = {}
        for modality in self._protocol.modalities:
            matches = self._archive.search("STUDY", {**_STUDY, "StudyDate": day, "ModalitiesInStudy": modality})
            studies |= {one["StudyInstanceUID"]: one for one in matches if can_name(one["StudyInstanceUID"])}
        for uid, study in studies.items():
            self._study = uid
            for series in self._archive.search("SERIES", {**_SERIES, "StudyInstanceUID": uid}):
                part = series["BodyPartExamined"]
                is_other = self._protocol.body_part and part and self._parts(part) != self._protocol.body_part
                is_named = can_name(series["SeriesInstanceUID"])
                if series["Modality"] in self._protocol.modalities and is_named and not is_other:
                    yield study, series

    def _instances(self, study: dict[str, str], series: dict[str, str]) -> list[dict[str, str]]:
        keys = {"StudyInstanceUID": study["StudyInstanceUID"], "SeriesInstanceUID": series["SeriesInstanceUID"]}
        return [one for one in self._archive.search("IMAGE", {**_IMAGE, **keys}) if can_name(one["SOPInstanceUID"])]
