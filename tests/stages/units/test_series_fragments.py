"""A Series Instance UID for each slice: one stack, one report; what is not part of it is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import UID

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.fragments import groups
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import header
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import Rig

Change = Callable[[pydicom.Dataset], None]
SAGITTAL = [0, 1, 0, 0, 0, -1]


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    yield rig
    rig.database.close()


def torn(number: int, **elements: Any) -> Change:
    """Gives each slice a series of its own."""

    def change(dataset: pydicom.Dataset) -> None:
        slice_number = 100 * number + int(dataset.InstanceNumber)
        dataset.SeriesNumber = number
        dataset.SeriesInstanceUID = f"{making.SERIES}.9.{slice_number}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{making.SERIES}.{slice_number}")
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def stack(folder: Path, count: int, change: Change) -> list[Path]:
    return making.write_series(folder, [making.layered_ct(seed=n) for n in range(count)], "CT", change=change)


def capture(folder: Path, number: int, **elements: Any) -> Path:
    """A picture of the workstation, with the modality of the series."""

    def change(dataset: pydicom.Dataset) -> None:
        torn(number)(dataset)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = f"{making.SERIES}.8.{number}", UID(f"{making.SERIES}.77")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        del dataset.ImageOrientationPatient, dataset.ImagePositionPatient
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return stack(folder, 1, change)[0]


def finish_due(rig: Rig, after_s: float = 21.0) -> list[InstanceDigest]:
    due = rig.look(after_s)
    for digest in due:
        rig.finish(digest)
    return due


def reports(rig: Rig) -> list[pydicom.Dataset]:
    with rig.database.begin() as transaction:
        rows = transaction.execute(sa.select(t.results).where(t.results.c.kind == SR)).all()
    return [pydicom.dcmread(rig.objects.local_path(row.object_key)) for row in rows]


def listed(report: pydicom.Dataset) -> tuple[int, int]:
    """Series and images that a report is about."""
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    series = study.ReferencedSeriesSequence
    return len(series), sum(len(one.ReferencedSOPSequence) for one in series)


def issue(rig: Rig, digest: InstanceDigest) -> list[str]:
    with rig.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
    assert assessment is not None
    return [one.message for one in assessment.plausibility if one.name == "slices_left_out"]


def test_a_capture_without_slices_has_its_report_when_it_is_quiet(rig: Rig, tmp_path: Path) -> None:
    [picture] = rig.receive(capture(tmp_path / "d", 3))
    assert finish_due(rig, 19.0) == []
    assert finish_due(rig) == [picture]
    assert finish_due(rig) == []
    assert [listed(report) for report in reports(rig)] == [(1, 1)]


def renamed(dataset: pydicom.Dataset, number: int) -> None:
    number += int(dataset.InstanceNumber)
    dataset.SeriesInstanceUID = f"{making.SERIES}.7.{number}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{making.SERIES}.6.{number}")


def test_what_belongs_together_follows_from_the_headers() -> None:
    def slice_of(number: int, **values: Any) -> Header:
        own: dict[str, Any] = {"series_instance_uid": f"1.{number}", "modality": "CT", "series_number": 3}
        return replace(header(number), **(own | values))

    assert groups([slice_of(1), slice_of(2)]) == {"1.1": ("1.1", "1.2"), "1.2": ("1.1", "1.2")}
    assert groups([slice_of(1), slice_of(2, series_number=4)]) == {}
    assert groups([slice_of(1), slice_of(2, modality="MR")]) == {}
    assert groups([slice_of(1), slice_of(2, number_of_frames=20)]) == {}
    assert groups([slice_of(1, series_instance_uid="9"), slice_of(2, series_instance_uid="9"), slice_of(3)]) == {}
    unknown = {"series_number": None}
    assert groups([slice_of(1, **unknown), slice_of(2, **unknown)]) == {}
    unknown["frame_of_reference_uid"] = "1.5"  # type: ignore[assignment]
    assert len(groups([slice_of(1, **unknown), slice_of(2, **unknown)])) == 2
