"""Volumes of one series are told apart by what headers say of them, never by the order of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from tests.stages.measure.drawn_series import flags, heads, judged, value, write
from tests.stages.measure.test_slice_kinds import private

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


def inversion(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.InversionTime = str(100 + 700 * volume)


TELLING: tuple[Tell, ...] = (acquisition, temporal, trigger, acquired, echo, b_value, inversion)


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
