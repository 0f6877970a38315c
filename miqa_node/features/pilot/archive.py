"""An archive as the source of a pilot: asked by C-FIND or QIDO-RS, fetched from by C-GET, C-MOVE or WADO-RS."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from miqa_node.core.domain.instance import (
    Header,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
)
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.senders import AuthorityRules
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ClassRefusedError, ConflictError, DeliveryError
from miqa_node.features.pilot.listing import NUMBER, ArchiveListing
from miqa_node.features.pilot.moves import MoveToNode
from miqa_node.features.pilot.protocol import CountedSeries, PilotProtocol
from miqa_node.features.pilot.rows.images import FoundImage
from miqa_node.features.pilot.source import PilotSource
from miqa_node.stages.deliver.kinds.base import Destination

Vocabulary = Callable[[str], str]
COMES_UNMARKED = Phrase(
    "The archive sends the images of a C-MOVE without Move Originator AE Title and Message ID, so nobody can tell them"
    " from others: C-MOVE is refused, and what came is an ordinary image. Let the archive allow C-GET, or name a"
    " destination of kind stow."
)
NEVER_CAME = Phrase(
    "The archive says that it sent the object, and the node did not receive it within {seconds} s "
    "(deliver.move_wait_s)."
)

COMING_S = 0.2
"""How often it is looked whether an object has come that was sent."""


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
        move_wait_s: float = 60.0,
    ) -> None:
        """``move`` is for kinds that do C-MOVE, and waits so long for what was sent."""
        self._archive, self._protocol, self._authorities = archive, protocol, authorities
        self._rooms, self._parts = rooms, parts
        self._way, self._move, self._move_wait_s = way, move, move_wait_s
        self._listing = ArchiveListing(archive.search, protocol.modalities)
        self._study = ""

    def days(self) -> list[str]:
        """Each day of the period."""
        since, until = self._protocol.since, self._protocol.until
        return [f"{since + timedelta(days=one):%Y%m%d}" for one in range((until - since).days + 1)]

    def count(self, day: str) -> Iterator[CountedSeries]:
        """By series; counted image by image where the archive does not say how many a series has."""
        for study, series in self._series(day):
            number = series[NUMBER]
            images = int(number) if number.isdecimal() else len(self._listing.instances(day, study, series))
            part = series["BodyPartExamined"]
            yield CountedSeries(
                day, series["Modality"], images, self._rooms(series["StationName"]), part and self._parts(part)
            )

    def images(self, day: str) -> Iterator[FoundImage]:
        """All images of the series of a day."""
        for study, series in self._series(day):
            authority = self._authorities.authority(study["IssuerOfPatientID"], "", "")
            patient = PatientKey(study["PatientID"], authority)
            for one in self._listing.instances(day, study, series):
                uids = study["StudyInstanceUID"], series["SeriesInstanceUID"], one["SOPInstanceUID"]
                yield FoundImage(*uids, one["SOPClassUID"], series["Modality"], day, patient)

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
        if not self._comes(file, image):
            raise DeliveryError(NEVER_CAME, seconds=f"{self._move_wait_s:g}")
        return file

    @property
    def missing(self) -> Mapping[str, str]:
        """Of the archive's listings."""
        return self._listing.missing

    def ask(self) -> None:
        """For one study by its UID."""
        self._archive.search("STUDY", {"StudyInstanceUID": self._study or "1.2.3", "StudyDate": ""})

    def close(self) -> None:
        """Release the association."""
        self._archive.close()

    def _series(self, day: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
        """Yield studies of the day with their series, of the body part as far as they say it."""
        for study, series in self._listing.series(day):
            self._study, part = study["StudyInstanceUID"], series["BodyPartExamined"]
            if not (self._protocol.body_part and part) or self._parts(part) == self._protocol.body_part:
                yield study, series

    def _comes(self, file: Path, image: FoundImage) -> bool:
        """Whether the object comes: archives send some seconds after they said so.

        Raises
        ------
        ConflictError
            It came without its origin.
        """
        until = time.monotonic() + self._move_wait_s
        while not file.exists():
            if self._move is not None and self._move.came_otherwise(image.sop_instance_uid):
                raise ConflictError(COMES_UNMARKED)
            if time.monotonic() > until:
                return False
            time.sleep(COMING_S)
        return True
