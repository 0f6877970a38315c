"""Sixty real chests of one source as three rooms: as they came, with simulated noise, and moved; and one over DICOM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pynetdicom import AE, build_context

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.settings import load_settings
from miqa_node.dicom.pixels.picture import read_picture
from miqa_node.features.limits import work
from miqa_node.features.limits.defect_image import with_defect
from miqa_node.features.limits.rows import room_images
from miqa_node.features.limits.whole_room import LEAST_IMAGES
from miqa_node.features.limits.work import RoomWork
from miqa_node.local import LocalAssessor
from miqa_node.node import Node
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.site_rules import SiteRules
from miqa_node.stages.units.rows import instances
from tests.meaning.telling import as_radiograph
from tests.node.test_node import settings_in
from tests.runtime.store.making import received, study
from tests.waiting import wait_until

pytestmark = [pytest.mark.shared, pytest.mark.long]

IMAGES = 60
"""Images within which a room is told."""


def pictures(shared_data: Path, number: int) -> list[Path]:
    """Chests of one source; the pixels are as large as its files."""
    return sorted((shared_data / "cxr_train").glob("nih_*"))[:number]


def radiograph(picture: Path, station: str, defect: str = "") -> Dataset:
    """A picture as a digital radiograph of a room, with a simulated defect of full severity."""
    shown = read_picture(picture, modality="DX", body_part="CHEST", view="PA")[1]
    if defect:
        changed = with_defect(shown, FindingName(defect), 1.0, (1, *picture.stem.encode()))
        assert changed is not None
        shown = changed
    data = as_radiograph((shown.display >> 8).astype(np.uint8), f"{station}{picture.stem}", ("L", "F"))
    data.StationName, data.PatientID = station, picture.stem
    return data


class RealRooms:
    """A node's database with what the real packages say of images, and the work that looks at rooms."""

    def __init__(self, folder: Path, assessor: LocalAssessor) -> None:
        settings = load_settings(node={"data_dir": folder}, policy={"learn_images": IMAGES}, work={"processes": 1})
        self._database, self._folder, self._assessor = Database(settings.database_url), folder, assessor
        self._database.migrate()
        self._rules = SiteRules(self._database, lambda: assessor.policy, 0, IMAGES)
        self._rules.follow()
        self._work = RoomWork(self._database, settings.policy, self._rules.current)
        self._count = 0

    def send(self, data: Dataset) -> Assessment:
        """Judge an image, and write it down as the pipeline does."""
        self._count += 1
        path = self._folder / "image.dcm"
        data.save_as(path, enforce_file_format=True)
        assessment = self._assessor.assess_file(path).assessment
        with self._database.begin() as transaction:
            came = received(assessment.digest, datetime.now(UTC))
            record = replace(study(self._count), study_instance_uid=assessment.header.study_instance_uid)
            instances.record(transaction, assessment.header, record, came, f"instances/{assessment.digest}.dcm")
            instances.save_assessment(transaction, assessment)
            room_images.note(transaction, assessment, self._rules.current())
        return assessment

    def told(self) -> dict[str, tuple[str, ...]]:
        """What is told of each room after one look at all of them."""
        self._work.look(datetime.now(UTC) + timedelta(minutes=1))
        with self._database.begin() as transaction:
            every = rooms.every(transaction)
        self._database.close()
        return {room.place.room: room.whole.told for room in every}


@pytest.fixture(scope="module")
def assessor() -> Iterator[LocalAssessor]:
    with LocalAssessor(load_settings(work={"processes": 1})) as assessor:
        yield assessor


@pytest.mark.timeout(3600)
def test_rooms_that_are_noisy_or_moved_are_told_and_the_same_images_as_they_came_are_not(
    shared_data: Path, tmp_path: Path, assessor: LocalAssessor
) -> None:
    site = RealRooms(tmp_path, assessor)
    for picture in pictures(shared_data, IMAGES):
        for station, defect in (("PLAIN", ""), ("NOISY", "noise"), ("MOVED", "motion_blur")):
            site.send(radiograph(picture, station, defect))
    names = site.told()
    assert names["PLAIN"] == ()
    assert "noise" in names["NOISY"]
    assert "motion_blur" in names["MOVED"]


@pytest.mark.timeout(900)
def test_a_running_node_tells_of_a_noisy_room_that_has_not_learned_yet(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LOOK_INTERVAL_S", 0.5)
    with Node(settings_in(tmp_path, policy={"learn_images": IMAGES}), []) as node:
        images = [radiograph(one, "NOISY", "noise") for one in pictures(shared_data, LEAST_IMAGES)]
        sender = AE("SCANNER")
        sender.requested_contexts = [build_context(images[0].SOPClassUID, images[0].file_meta.TransferSyntaxUID)]
        association = sender.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
        assert [association.send_c_store(one).Status for one in images] == [0] * LEAST_IMAGES
        association.release()

        def unseen() -> list[Room]:
            with node.database.begin() as transaction:
                return rooms.unseen(transaction)

        [room] = wait_until(unseen, 600.0, "the room is told")
        assert "noise" in room.whole.told
        assert room.place.room == "NOISY"
        assert room.state.value == "learning"
