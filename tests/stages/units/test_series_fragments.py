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
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.words.narrative import narrative
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


@pytest.mark.more
def test_each_series_number_has_its_own(rig: Rig, tmp_path: Path) -> None:
    for number in (3, 4, 5):
        rig.receive(*stack(tmp_path / str(number), 5, torn(number)))
    assert len(finish_due(rig)) == 3
    assert sorted(map(listed, reports(rig))) == [(5, 5)] * 3


@pytest.mark.more
def test_a_late_slice_amends_the_report(rig: Rig, tmp_path: Path) -> None:
    paths = stack(tmp_path / "s", 6, torn(3))
    rig.receive(*paths[:5])
    finish_due(rig)
    rig.receive(paths[5])
    finish_due(rig)
    first, second = sorted(reports(rig), key=listed)
    assert (listed(first), listed(second)) == ((5, 5), (6, 6))
    [amended] = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert amended.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID


@pytest.mark.more
def test_thirty_slices_with_thirty_series_are_one_report(rig: Rig, tmp_path: Path) -> None:
    digests = rig.receive(*stack(tmp_path / "s", 30, torn(3)))
    assert finish_due(rig) == [digests[-1]]
    [report] = reports(rig)
    assert listed(report) == (30, 30)
    assert issue(rig, digests[-1]) == []
    with rig.database.begin() as transaction:
        verdicts = {instances.load_disposition(transaction, digest).verdict for digest in digests}  # type: ignore[union-attr]
    assert verdicts == {Verdict.ACCEPT}
    assert rig.look(21.0) == []


@pytest.mark.more
def test_the_stack_waits_until_all_of_it_is_quiet(rig: Rig, tmp_path: Path) -> None:
    paths = stack(tmp_path / "s", 6, torn(3, NumberOfSeriesRelatedInstances=1))
    rig.receive(*paths[:3])
    assert rig.look(19.0) == []
    rig.now = rig.now.replace(second=rig.now.second + 15)
    rig.receive(*paths[3:])
    assert rig.look(10.0) == []  # the first three have been quiet for 25 s
    assert len(finish_due(rig)) == 1
    assert [listed(report) for report in reports(rig)] == [(6, 6)]


@pytest.mark.more
def test_other_orientations_frames_of_reference_and_captures_are_left_out_and_counted(rig: Rig, tmp_path: Path) -> None:
    main = rig.receive(*stack(tmp_path / "a", 8, torn(3)))
    others = [
        *stack(tmp_path / "b", 2, lambda ds: (torn(3, ImageOrientationPatient=SAGITTAL)(ds), renamed(ds, 50))[0]),
        *stack(tmp_path / "c", 1, lambda ds: (torn(3, FrameOfReferenceUID="1.2.3.9")(ds), renamed(ds, 60))[0]),
    ]
    rig.receive(*others)
    [picture] = rig.receive(capture(tmp_path / "d", 3))
    rig.finish(picture)
    [digest] = finish_due(rig)
    assert digest not in main
    assert issue(rig, digest) == [
        "Left out of the stack: slices of another orientation: 3 (Instance Number 1, 2), captures: 1."
    ]
    assert len(reports(rig)) == 1
    with rig.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
        disposition = instances.load_disposition(transaction, digest)
    assert assessment is not None
    assert disposition is not None
    german = "Nicht Teil des Stapels: Schichten anderer Ausrichtung: 3 (Instance Number 1, 2), Bildschirmkopien: 1."
    assert german in narrative(assessment, disposition, "de")


@pytest.mark.more
def test_a_capture_that_comes_before_its_slices_is_counted_in_their_report(rig: Rig, tmp_path: Path) -> None:
    """It had a report of its own: two of one Series Number."""
    [picture] = rig.receive(capture(tmp_path / "d", 3))
    assert rig.look(19.0) == rig.jobs.digests == []
    slices = rig.receive(*stack(tmp_path / "a", 8, torn(3)))
    assert sorted(finish_due(rig)) == sorted([picture, slices[-1]])
    assert issue(rig, slices[-1]) == ["Left out of the stack: captures: 1."]
    assert [listed(report) for report in reports(rig)] == [(8, 8)]


@pytest.mark.more
def test_ordinary_series_with_one_series_number_stay_apart(rig: Rig, tmp_path: Path) -> None:
    """Some scanners count no series."""

    def series(number: int) -> Change:
        def change(dataset: pydicom.Dataset) -> None:
            torn(number)(dataset)
            dataset.SeriesInstanceUID, dataset.SeriesNumber = f"{making.SERIES}.5.{number}", 1

        return change

    for number in (1, 2):
        rig.receive(*stack(tmp_path / str(number), 4, series(number)))
    assert len(finish_due(rig)) == 2
    assert [listed(report) for report in reports(rig)] == [(1, 4), (1, 4)]
