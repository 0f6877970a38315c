"""Two objects with one SOP Instance UID: the same in another encoding, with loss, or something else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node.dicom.pixels.likeness import Likeness, compare
from miqa_node.runtime.workers.child import decode_here
from miqa_selftest.encodings import ENCODINGS, PhantomEncoding, encoded

Write = Callable[..., Path]
Change = Callable[[Any], Any]
DECODE = partial(decode_here, max_pixels=10_000_000)
NATIVE = next(one for one in ENCODINGS if one.syntax == ExplicitVRLittleEndian)


@pytest.fixture
def write(samples: Path, tmp_path: Path) -> Write:
    """Writes a radiograph of 12 bits in an encoding, with other elements or pixels."""
    source = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    pixels = source.pixel_array[:512, :480].astype(np.int64)
    small = (pixels * 4095 // max(1, int(pixels.max()))).astype("<u2")
    number = 0

    def write(
        encoding: PhantomEncoding = NATIVE, change: Callable[[Any], Any] = lambda it: it, **elements: Any
    ) -> Path:
        nonlocal number
        number += 1
        ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
        ds.Rows, ds.Columns = small.shape
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.PatientID = "P1"
        ds.PixelData = change(small).astype("<u2").tobytes()
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(encoded(ds, encoding))
        return path

    return write


def likeness(first: Path, second: Path) -> Likeness:
    return Likeness(compare(first, second, DECODE))


@pytest.mark.parametrize("encoding", [one for one in ENCODINGS if one.lossless], ids=lambda one: one.syntax.name)
def test_without_loss_every_encoding_is_the_same(write: Write, encoding: PhantomEncoding) -> None:
    native, other = write(), write(encoding)
    assert (likeness(native, other), likeness(other, native)) == (Likeness.SAME, Likeness.SAME)


@pytest.mark.parametrize("encoding", [one for one in ENCODINGS if not one.lossless], ids=lambda one: one.syntax.name)
def test_with_loss_it_is_worse_and_the_other_is_better(write: Write, encoding: PhantomEncoding) -> None:
    native, lossy = write(), write(encoding)
    assert (likeness(native, lossy), likeness(lossy, native)) == (Likeness.WORSE, Likeness.BETTER)
    assert likeness(lossy, write(encoding, Manufacturer="X")) is Likeness.SAME


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientName": "Other^Name", "AccessionNumber": "99", "StudyDescription": "corrected"},
        {"IssuerOfPatientID": "HOSPITAL A"},
        {"WindowCenter": "900", "WindowWidth": "400"},
    ],
)
def test_what_an_archive_corrects_makes_no_other_image(write: Write, elements: dict[str, Any]) -> None:
    assert likeness(write(), write(**elements)) is Likeness.SAME


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientID": "P2"},
        {"SeriesInstanceUID": "1.2.3"},
        {"StudyInstanceUID": "1.2.3"},
        {"PhotometricInterpretation": "MONOCHROME2"},
        {"change": lambda pixels: np.roll(pixels, 1, 0)},
        {"change": lambda pixels: pixels[::-1]},
        {"change": lambda pixels: np.roll(pixels, (12, 12), (0, 1)), "LossyImageCompression": "01"},
        {"change": lambda pixels: pixels[::-1], "LossyImageCompression": "01"},
        {"PatientID": "P2", "LossyImageCompression": "01"},
    ],
)
def test_other_pixels_or_another_patient_is_another_image(write: Write, elements: dict[str, Any]) -> None:
    assert likeness(write(), write(**elements)) is Likeness.OTHER


def test_issuers_that_contradict_each_other_are_of_two_patients(write: Write) -> None:
    assert likeness(write(IssuerOfPatientID="A"), write(IssuerOfPatientID="B")) is Likeness.OTHER
    ids = []
    for universal_id in ("1.2.3", "1.2.4"):
        item = Dataset()
        item.UniversalEntityID, item.UniversalEntityIDType = universal_id, "ISO"
        ids.append(write(IssuerOfPatientIDQualifiersSequence=[item]))
    assert likeness(*ids) is Likeness.OTHER
    assert likeness(ids[0], write(IssuerOfPatientID="A")) is Likeness.SAME


def test_one_changed_pixel_is_another_image(write: Write) -> None:
    def change(pixels: Any) -> Any:
        changed = pixels.copy()
        changed[100, 100] ^= 1
        return changed

    assert likeness(write(), write(change=change)) is Likeness.OTHER


def test_every_frame_counts(write: Write) -> None:
    def frames(last: int) -> Callable[[Any], Any]:
        return lambda pixels: np.stack([pixels, pixels, np.roll(pixels, last, 1)])

    run, same = (write(change=frames(0), NumberOfFrames=3, Manufacturer=name) for name in ("A", "B"))
    assert likeness(run, same) is Likeness.SAME
    assert likeness(run, write(change=frames(1), NumberOfFrames=3)) is Likeness.OTHER


def test_damaged_pixels_are_not_the_same(write: Write) -> None:
    damaged = write()
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    assert likeness(write(), damaged) is Likeness.OTHER


def test_a_document_is_the_same_if_it_says_the_same(samples: Path, tmp_path: Path) -> None:
    paths = []
    explicit, implicit = ExplicitVRLittleEndian, ImplicitVRLittleEndian
    for number, (syntax, comment) in enumerate([(explicit, "a"), (implicit, "a"), (implicit, "b")]):
        ds = pydicom.Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.59", "1.2.3"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID, ds.Modality = "1.2", "1.2.9", "P", "KO"
        item = pydicom.Dataset()
        item.TextValue = comment
        ds.ContentSequence = [item]
        ds.AccessionNumber = str(number)
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = syntax
        paths.append(tmp_path / f"{number}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    assert likeness(paths[0], paths[1]) is Likeness.SAME
    assert likeness(paths[0], paths[2]) is Likeness.OTHER
