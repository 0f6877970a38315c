"""``pilot plan --learn``: rooms learn their limits from a pilot."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
import sqlalchemy as sa

from demo.samples import make_samples
from miqa_node.core.domain.room import RoomState
from miqa_node.features.pilot.rows import images
from miqa_node.features.pilot.tables import pilot_images
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.store.tables import all_tables
from miqa_node.stages.report.uids import derive_uid
from tests.features.pilot.making import PERIOD, Site, as_file

pytestmark = pytest.mark.long

IMAGES = 24
OF_ROOMS = {"audit_records", "rooms", "room_changes", "rule_sets", "site_limits"}


def chests() -> Iterator[pydicom.FileDataset]:
    """One chest, each time with noise of its own, over twelve days of one room."""
    chest = pydicom.dcmread(BytesIO(make_samples()[0].data))
    pixels = chest.pixel_array
    for number in range(IMAGES):
        noise = np.random.default_rng(number).integers(0, 4, pixels.shape, np.uint16)
        chest.PixelData = np.minimum(pixels + noise, 2**chest.BitsStored - 1).astype("<u2").tobytes()
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(chest, keyword, derive_uid("learning", str(number), keyword))
        chest.file_meta.MediaStorageSOPInstanceUID = chest.SOPInstanceUID
        chest.PatientID, chest.StationName, chest.Modality = f"P{number // 2}", "ROOM7", "CR"
        for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
            setattr(chest, keyword, f"202610{1 + number // 2:02}")
        yield chest


@pytest.mark.timeout(1800)
def test_rooms_learn_from_a_pilot_and_nothing_else_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    for image in chests():
        (tmp_path / "images" / f"{image.SOPInstanceUID}.dcm").write_bytes(as_file(image))
    site = Site(tmp_path / "site")
    site.name_archives()
    monkeypatch.setenv("MIQA_POLICY__LEARN_IMAGES", "20")
    site.run("pilot", "plan", "october", "--from", str(tmp_path / "images"), *PERIOD, "--learn")
    before = rows_of(site)
    counts = site.run_with_kills("october", [8])
    assert (counts["judged"], counts["failed"]) == (IMAGES, 0)
    after = rows_of(site)
    assert {name for name, rows in after.items() if rows != before[name]} <= OF_ROOMS

    with site.transaction() as transaction:
        [room] = rooms.every(transaction)
        verdicts = {row.sop_instance_uid: (row.verdict, row.score) for row in images.select(transaction, "october")}
        own = transaction.execute(sa.select(pilot_images.c.own)).scalars().all()
    assert (room.place.room, room.state) == ("ROOM7", RoomState.LEARNED)
    assert room.learned_from.is_pilot
    assert verdicts == site.assessed(tmp_path / "images"), "verdicts are those of the policy's limits"
    assert all(one in ({"flagged": 0}, {"flagged": 1}) for one in own)
    assert "Rooms that learned limits of their own from these images: 1" in site.run("pilot", "report", "october")
    assert images_of(site, "P3") == 2
    site.run("erase", "patient", "P3", "--yes", "--reason", "asked for")
    assert images_of(site, "P3") == 0


def images_of(site: Site, patient: str) -> int:
    with site.transaction() as transaction:
        count = sa.select(sa.func.count()).where(pilot_images.c.patient_id == patient)
        return int(transaction.execute(count).scalar_one())


def rows_of(site: Site) -> dict[str, list[str]]:
    """All rows but those of pilots."""
    with site.transaction() as transaction:
        return {
            table.name: sorted(str(tuple(row)) for row in transaction.execute(sa.select(table)))
            for table in all_tables().sorted_tables
            if not table.name.startswith("pilot")
        }
