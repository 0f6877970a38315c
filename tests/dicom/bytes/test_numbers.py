"""Numbers of elements: whatever stands there, reading them raises nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

from miqa_node.dicom.bytes.numbers import all_numbers, first_number, single_number
from miqa_node.dicom.pixels.representative import representative_frame
from tests.damage import write_text

pytestmark = pytest.mark.filterwarnings("ignore")


def with_text(keyword: str, value: str | list[str] | None) -> Dataset:
    """The element as a file has it, not yet read as a number."""
    ds = Dataset()
    write_text(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("keyword", "value", "numbers", "first"),
    [
        ("PixelSpacing", ["0.5", "0.25"], (0.5, 0.25), 0.5),
        ("SliceThickness", "2.5", (2.5,), 2.5),
        ("SliceThickness", "", (), None),
        ("SliceThickness", None, (), None),
        ("SliceThickness", "thick", (), None),
        ("SliceThickness", "1e400", (), None),
        ("PixelSpacing", ["0.5", "NaN"], (), 0.5),
        ("PixelSpacing", ["-inf", "1"], (), None),
        ("InstanceNumber", "7", (7.0,), 7.0),
        ("InstanceNumber", "1e400", (), None),
        ("InstanceNumber", "1,5", (), None),
    ],
)
def test_values(keyword: str, value: str | list[str] | None, numbers: tuple[float, ...], first: float | None) -> None:
    ds = with_text(keyword, value)
    assert (all_numbers(ds, keyword), first_number(ds, keyword)) == (numbers, first)
    assert single_number(ds, keyword) == (numbers[0] if len(numbers) == 1 else None)


@pytest.mark.parametrize(("frames", "frame"), [("9", 4), ("1e400", 0), ("nine", 0), ("-3", 0), ("", 0)])
def test_the_frame_that_represents_an_image(tmp_path: Path, frames: str, frame: int) -> None:
    ds = with_text("NumberOfFrames", frames)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2"
    ds.save_as(tmp_path / "loop.dcm", enforce_file_format=True)
    assert representative_frame(tmp_path / "loop.dcm") == frame


def test_an_absent_element_has_none() -> None:
    assert (all_numbers(Dataset(), "Rows"), first_number(Dataset(), "Rows")) == ((), None)
