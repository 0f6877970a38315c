"""Files as the source of a pilot: folders, ZIP files, and media with a DICOMDIR; they stay where they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import rmtree

from miqa_node.core.domain.identity import with_surrogates
from miqa_node.core.domain.instance import Header, InstanceDigest, StudyRecord
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.senders import AuthorityRules
from miqa_node.core.settings import WebSettings
from miqa_node.errors import DataSetError, DeliveryError
from miqa_node.features.pilot.protocol import CountedSeries, PilotProtocol
from miqa_node.features.pilot.rows.images import FoundImage
from miqa_node.features.pilot.source import PilotSource
from miqa_node.interfaces.cli.files import DICOM_SUFFIXES, images, unpacked
from miqa_node.runtime.store.verification import data_set_digest

ReadHeader = Callable[[Path], tuple[Header, StudyRecord]]


class FolderSource(PilotSource):
    """Paths of a command line; ZIP files are unpacked into ``folder`` until the source is closed."""

    def __init__(
        self,
        protocol: PilotProtocol,
        folder: Path,
        limits: WebSettings,
        read: ReadHeader,
        authorities: AuthorityRules,
        rooms: Callable[[str], str],
    ) -> None:
        self._protocol, self._folder, self._read = protocol, folder / "unpacked", read
        self._authorities, self._rooms = authorities, rooms
        rmtree(self._folder, ignore_errors=True)  # of a process that was killed
        self._folder.mkdir(parents=True)
        files, _ = images([Path(one) for one in protocol.sources], DICOM_SUFFIXES | {".zip"})
        names, _ = unpacked(files, self._folder, limits)
        self._files = {name: file for file, name in names.items()}
        self.unreadable = 0
        """Files that are no DICOM objects."""
        self._by_day = self._listed()

    def days(self) -> Sequence[str]:
        """The study dates of the files, within the period; what has none belongs to it."""
        return sorted(self._by_day)

    def count(self, day: str) -> Iterator[CountedSeries]:
        """One by one."""
        for image, header in self._by_day[day]:
            yield CountedSeries(day, image.modality, 1, self._rooms(header.station_name), header.body_part_examined)

    def images(self, day: str) -> Iterator[FoundImage]:
        """The files of a day."""
        return (image for image, _ in self._by_day[day])

    def fetch(self, image: FoundImage, folder: Path) -> Path:  # noqa: ARG002 - it is here
        """The file itself."""
        file = self._files.get(image.place)
        if file is None or not file.exists():
            raise DeliveryError("The file is gone.")
        return file

    def close(self) -> None:
        """Remove what was unpacked."""
        rmtree(self._folder, ignore_errors=True)

    def _listed(self) -> dict[str, list[tuple[FoundImage, Header]]]:
        protocol, by_day = self._protocol, defaultdict[str, list[tuple[FoundImage, Header]]](list)
        first, last = f"{protocol.since:%Y%m%d}", f"{protocol.until:%Y%m%d}"
        for name, file in self._files.items():
            try:
                header, study = self._read(file)
            except (DataSetError, OSError):
                self.unreadable += 1
                continue
            header, study = with_surrogates(header, study, InstanceDigest(data_set_digest(file)))
            day = study.study_date if len(study.study_date) == 8 else ""
            is_other = protocol.body_part and header.body_part_examined not in ("", protocol.body_part)
            if header.modality not in protocol.modalities or is_other or (day and not first <= day <= last):
                continue
            authority = self._authorities.authority(study.authority or "", "", "")
            image = FoundImage(
                str(header.study_instance_uid), str(header.series_instance_uid), str(header.sop_instance_uid),
                header.sop_class_uid, header.modality, day, PatientKey(study.patient_id, authority), name,
            )  # fmt: skip
            by_day[day].append((image, header))
        return by_day
