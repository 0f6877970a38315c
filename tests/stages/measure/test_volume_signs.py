"""Volumes of one series are told apart by what headers say of them, never by the order of files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.nearly import same_places
from miqa_node.stages.measure.installed import is_installed
from miqa_node.stages.measure.slices import read_slices
from tests.stages.measure.drawn_series import Change, body, flags, heads, issues, judged, value, write
from tests.stages.measure.test_slice_kinds import given, private

SLICES = 8
Tell = Callable[[FileDataset, int, int], None]
"""Writes the sign of a volume, by its number and that of the slice."""


def acquisition(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.AcquisitionNumber = volume + 1


def temporal(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.TemporalPositionIdentifier = volume + 1


def trigger(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.TriggerTime = str(2000 * volume + 50 * slice_number)


def acquired(ds: FileDataset, volume: int, slice_number: int) -> None:
    """In a 2D sequence every slice has a time of its own, here interleaved."""
    ds.AcquisitionTime = f"1015{10 + 3 * volume:02}.{slice_number * 5 % SLICES:03}"


def echo(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.EchoTime = ("10", "40.0000001" if slice_number % 2 else "40", "80")[volume]


def b_value(ds: FileDataset, volume: int, slice_number: int) -> None:
    private(0x0019, "SIEMENS MR HEADER", 0x0C, "IS", ("0", "500", "1000")[volume])(ds)


def philips(ds: FileDataset, volume: int, slice_number: int) -> None:
    private(0x2001, "Philips Imaging DD 001", 0x03, "FL", (0.0, 500.0, 1000.0)[volume])(ds)


def dixon(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.ImageType = ["DERIVED", "PRIMARY", "DIXON", ("WATER", "FAT", "IN_PHASE")[volume]]


def dixon_of_another_maker(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "DIXON", ("WATER", "FAT", "IN_PHASE")[volume]]


def inversion(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.InversionTime = str(100 + 700 * volume)


TELLING: tuple[Tell, ...] = (
    acquisition,
    temporal,
    trigger,
    acquired,
    echo,
    b_value,
    philips,
    dixon,
    dixon_of_another_maker,
    inversion,
)


def three_volumes(folder: Path, tell: Tell) -> list[Path]:
    """As bright as 1, .3 and .6, with Instance Numbers that begin anew in each."""
    images = [image * gain for gain in (1.0, 0.3, 0.6) for image in heads(SLICES, seed=int(10 * gain), side=96)]
    count = 0

    def change(ds: FileDataset) -> None:
        nonlocal count
        volume, number = divmod(count, SLICES)
        count += 1
        ds.InstanceNumber = number + 1
        ds.ImagePositionPatient = [-72.0, -72.0, 3.0 * number]
        tell(ds, volume, number)

    return write(folder, images, "MR", change)


@pytest.mark.parametrize("tell", TELLING, ids=lambda one: one.__name__)
def test_any_sign_tells_volumes_apart(tell: Tell, tmp_path: Path) -> None:
    assessment, disposition = judged(three_volumes(tmp_path, tell))
    jump, disorder = value(assessment, "slice_jump"), value(assessment, "slice_disorder")
    assert jump is not None
    assert disorder is not None
    assert jump < 15.0
    assert disorder < 1.0
    assert (value(assessment, "slice_overlaps"), value(assessment, "slices_repeated")) == (0.0, 0.0)
    assert not flags(disposition)


@pytest.mark.parametrize(
    ("group", "creator", "elements"),
    [(0x2005, "Philips MR Imaging DD 001", (0xB0, 0xB1, 0xB2)), (0x0019, "GEMS_ACQU_01", (0xBB, 0xBC, 0xBD))],
)
def test_directions_that_makers_write_into_three_elements_are_read(
    group: int, creator: str, elements: tuple[int, ...], tmp_path: Path
) -> None:
    def change(ds: FileDataset) -> None:
        for element, number in zip(elements, (0.6, 0.8, 0.0), strict=True):
            private(group, creator, element, "FL" if group == 0x2005 else "DS", number)(ds)

    [path] = write(tmp_path, heads(1, side=64), "MR", change)
    assert read_slices([(InstanceDigest("a"), path)])[0].signs.direction == pytest.approx((0.6, 0.8, 0.0))


def test_frames_of_an_enhanced_image_are_told_apart_by_their_frame_type(tmp_path: Path) -> None:
    def change(ds: FileDataset) -> None:
        ds.NumberOfFrames, ds.ImageType = 2, ["DERIVED", "PRIMARY", "DIXON", "MIXED"]
        groups = []
        for kind in ("WATER", "FAT"):
            frame_type, group = Dataset(), Dataset()
            frame_type.FrameType, frame_type.ComplexImageComponent = ["DERIVED", "PRIMARY", "DIXON", kind], "MAGNITUDE"
            group.MRImageFrameTypeSequence = [frame_type]
            groups.append(group)
        ds.PerFrameFunctionalGroupsSequence = groups

    [path] = write(tmp_path, heads(1, side=64), "MR", change)
    frames = read_slices([(InstanceDigest("a"), path)])
    assert [one.signs.component for one in frames] == ["MAGNITUDE DIXON WATER", "MAGNITUDE DIXON FAT"]


@pytest.mark.skipif(not is_installed("SimpleITK"), reason="needs the extra [series]")
def test_water_and_fat_are_no_motion(tmp_path: Path) -> None:
    """Told apart by the numbers of the images alone, they would be compared as volumes that differ in time."""
    count = iter(range(100))

    def change(ds: FileDataset) -> None:
        volume, number = divmod(next(count), SLICES)
        ds.ImagePositionPatient = [-72.0, -72.0, 3.0 * number]
        dixon(ds, volume, number)

    images = [np.roll(image, 9 * volume, axis=1) for volume in range(2) for image in heads(SLICES, side=96)]
    assessment, disposition = judged(write(tmp_path, images, "MR", change))
    assert value(assessment, "mr_motion") is None
    assert not flags(disposition)


@pytest.mark.more
def test_where_nothing_tells_volumes_apart_nothing_is_compared_and_that_is_said(tmp_path: Path) -> None:
    assessment, disposition = judged(three_volumes(tmp_path, lambda *_: None))
    assert value(assessment, "slice_jump") is None
    assert "8 places" in issues(assessment)["volumes_untold"]
    assert not flags(disposition)


@pytest.mark.more
def test_a_sign_that_counts_slices_does_not_tear_a_volume(tmp_path: Path) -> None:
    count = iter(range(100))
    change = given(TemporalPositionIdentifier=1)

    def each(ds: FileDataset) -> None:
        change(ds)
        ds.TemporalPositionIdentifier = next(count)
        ds.EchoTime = "10" if ds.TemporalPositionIdentifier % 3 else "10.0000009"

    assessment, _ = judged(write(tmp_path, heads(), "MR", each))
    assert value(assessment, "slice_disorder") is not None
    assert value(assessment, "slice_overlaps") == 0.0


@pytest.mark.more
def test_numbers_do_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    paths = three_volumes(tmp_path, acquired)
    first, _ = judged(paths)
    mixed = paths[:-1]
    random.Random(0).shuffle(mixed)
    again, _ = judged([*mixed, paths[-1]])
    assert [(one.name, one.value) for one in again.measurements] == [
        (one.name, one.value) for one in first.measurements
    ]


def turned(ds: FileDataset, volume: int, slice_number: int) -> None:
    """Image Orientation that jitters by less than any scanner means."""
    jitter = 4e-7 * (-1) ** slice_number
    ds.ImageOrientationPatient = [1.0, jitter, 0.0, -jitter, 1.0, 0.0]


@pytest.mark.more
def test_planes_that_jitter_are_one_stack(tmp_path: Path) -> None:
    count = iter(range(100))
    assessment, _ = judged(write(tmp_path, heads(), "MR", lambda ds: turned(ds, 0, next(count))))
    assert value(assessment, "slice_count") == 12.0
    assert "slices_unmeasured" not in issues(assessment)


@pytest.mark.more
@pytest.mark.parametrize(("step_mm", "digits"), [(0.625, 1), (0.6, 2), (1.25, 1), (2.5, 0), (0.3, 1)])
def test_rounded_positions_are_no_gaps_and_a_lost_slice_is_one(step_mm: float, digits: int, tmp_path: Path) -> None:
    count = iter(range(1000))

    def rounded(ds: FileDataset) -> None:
        place = next(count) % 20 * step_mm - 12.3
        ds.ImagePositionPatient = ["-120", "-120", f"{place:.{digits}f}"]
        ds.SliceThickness = str(step_mm)

    images = [np.roll(one, k, axis=1) for k, one in enumerate(heads(20, side=64))]
    paths = write(tmp_path, images, "MR", rounded)
    whole, _ = judged(paths)
    assert (value(whole, "slice_gaps"), value(whole, "slice_overlaps")) == (0.0, 0.0)
    lost, disposition = judged([*paths[:9], *paths[10:]])
    assert value(lost, "slice_gaps") == 1.0
    assert "slice_gaps" in flags(disposition)


def two_passes(folder: Path, off_mm: float, step_mm: float, tell: Change | None = None, lost: int = -1) -> list[Path]:
    """A table that goes and comes back, and places of the second pass a little off."""
    images = [body(0.1 + 0.08 * number, seed=10 * volume + number) for volume in range(2) for number in range(10)]
    count = iter(range(100))

    def change(ds: FileDataset) -> None:
        volume, number = divmod(next(count), 10)
        ds.ImagePositionPatient = [-120.0, -120.0, f"{step_mm * number + off_mm * volume:.2f}"]
        ds.SliceThickness, ds.AcquisitionTime = str(step_mm), f"10{10 + volume}00"
        if tell is not None:
            tell(ds)

    paths = write(folder, images, "CT", change)
    return [path for number, path in enumerate(paths) if number != lost]


@pytest.mark.parametrize(("off_mm", "step_mm"), [(0.3, 1.0), (0.4, 1.0), (0.4, 2.0), (1.0, 5.0), (0.0, 1.0)])
def test_passes_a_little_off_each_other_are_volumes(off_mm: float, step_mm: float, tmp_path: Path) -> None:
    assessment, disposition = judged(two_passes(tmp_path, off_mm, step_mm))
    assert value(assessment, "slice_distance") == pytest.approx(step_mm)
    assert [value(assessment, one) for one in ("slice_gaps", "slice_overlaps", "slices_repeated")] == [0.0] * 3
    assert (value(assessment, "slice_disorder") or 9.0) < 1.0
    assert not flags(disposition) & {"slice_gaps", "slice_overlaps", "slice_disorder", "slice_jump"}


def test_a_slice_that_one_of_the_passes_lacks_is_a_gap(tmp_path: Path) -> None:
    assessment, _ = judged(two_passes(tmp_path, 0.4, 2.0, lost=14))
    assert value(assessment, "slice_gaps") == 1.0


def test_slices_that_overlap_by_design_are_one_stack_and_one_that_came_twice_a_little_off_is_found() -> None:
    even = np.arange(20) * 0.5
    assert same_places(even.tolist()).max() == 20
    assert same_places((np.arange(20) * 0.25).round(1).tolist()).max() > 10
    assert same_places([*np.arange(20) * 5.0, 45.4]).max() == 21
    assert same_places(np.cumsum([0.0, *[5.0, 7.0] * 8]).tolist()).max() == 17, "two rows of a detector"
