"""Objects of many frames: each frame is read by itself, however frames lie in the file."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

from miqa_node.dicom.pixels.encode import encode_frame
from miqa_node.dicom.pixels.frame import Frame, decode_frame
from miqa_node.errors import DecodeError

RNG = np.random.default_rng(7)
FRAMES = 1000


def _filler(frames: NDArray[np.integer]) -> Callable[[Dataset], None]:
    def fill(ds: Dataset) -> None:
        ds.PixelData = frames.tobytes()

    return fill


def write(path: Path, frames: NDArray[np.integer], syntax: UID, fill: Callable[[Dataset], None]) -> Path:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = EnhancedCTImageStorage, generate_uid()
    ds.Rows, ds.Columns = frames.shape[1:3]
    ds.NumberOfFrames = len(frames)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * frames.dtype.itemsize
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    groups = []
    for number in range(len(frames)):
        transformation = Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept, transformation.RescaleType = 1, number, "US"
        group = Dataset()
        group.PixelValueTransformationSequence = [transformation]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    fill(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def read_bytes() -> int:
    counters = Path("/proc/self/io").read_text("ascii")
    return int(counters.split("rchar: ")[1].split()[0])


def decode(path: Path, frame: int) -> Frame:
    return decode_frame(path, frame, 10**9)


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGBaseline8Bit])
@pytest.mark.parametrize("fragments", [1, 3])
def test_encapsulated_frames(tmp_path: Path, syntax: UID, table: str, fragments: int) -> None:
    if fragments > 1 and (table == "extended" or (table == "none" and syntax == RLELossless)):
        pytest.skip("the standard forbids it, or nothing says which fragments belong together")
    frames = np.add.outer(np.arange(40), np.add.outer(np.arange(64), np.arange(64))).astype(np.uint8)
    encoded = [encode_frame(frame, syntax) for frame in frames]
    if syntax == JPEGBaseline8Bit:
        expected = [decode(write_single(tmp_path, frame), 0).stored for frame in encoded]
    else:
        expected = list(frames)

    def fill(ds: Dataset) -> None:
        if table == "extended":
            ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(encoded)
        else:
            ds.PixelData = encapsulate(encoded, fragments_per_frame=fragments, has_bot=table == "basic")
        ds["PixelData"].is_undefined_length = True

    path = write(tmp_path / "many.dcm", frames, syntax, fill)
    decode(path, 0)
    before = read_bytes()
    for index in [*range(39, -1, -1), 7]:
        assert np.array_equal(decode(path, index).stored, expected[index])
    assert read_bytes() - before < 3 * path.stat().st_size
    with pytest.raises(DecodeError, match="40 frames"):
        decode(path, 40)


def write_single(folder: Path, encoded: bytes) -> Path:
    def fill(ds: Dataset) -> None:
        ds.PixelData = encapsulate([encoded])
        ds["PixelData"].is_undefined_length = True

    return write(folder / "single.dcm", np.zeros((1, 64, 64), np.uint8), JPEGBaseline8Bit, fill)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_native_frames_of_odd_size(tmp_path: Path, syntax: UID, dtype: type[np.unsignedinteger]) -> None:
    frames = RNG.integers(0, 256, (6, 5, 7)).astype(dtype)

    def fill(ds: Dataset) -> None:
        big_endian = syntax == ExplicitVRBigEndian
        if big_endian and dtype == np.uint8:  # bytes in words (PS3.5 8.1.1)
            value = frames.tobytes()
            value = np.frombuffer(value + b"\0" * (len(value) % 2), "<u2").astype(">u2").tobytes()
        else:
            value = frames.astype(frames.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
        ds.add_new("PixelData", "OW", value + b"\0" * (len(value) % 2))

    path = write(tmp_path / "odd.dcm", frames, syntax, fill)
    for index in range(6):
        assert np.array_equal(decode(path, index).stored, frames[index])
        assert np.array_equal(pydicom.dcmread(path).pixel_array[index], frames[index])


def test_single_bits_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    frames = RNG.integers(0, 2, (9, 5, 7)).astype(np.uint8)

    def fill(ds: Dataset) -> None:
        ds.BitsAllocated = ds.BitsStored = 1
        ds.HighBit = 0
        value = np.packbits(frames.ravel(), bitorder="little").tobytes()
        ds.add_new("PixelData", "OB", value + b"\0" * (len(value) % 2))

    path = write(tmp_path / "bits.dcm", frames, ExplicitVRLittleEndian, fill)
    for index in range(9):
        assert np.array_equal(decode(path, index).stored, frames[index])


def test_an_object_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    for number in range(3):
        frames = np.full((2, 8, 8), number, np.uint16)
        write(path, frames, ExplicitVRLittleEndian, _filler(frames))
        assert (decode(path, 1).stored == number).all()


@pytest.mark.more
def test_reading_every_frame_reads_the_file_a_few_times_at_most(tmp_path: Path) -> None:
    frames = RNG.integers(0, 4096, (FRAMES, 32, 32), dtype=np.uint16)

    def fill(ds: Dataset) -> None:
        ds.PixelData = frames.tobytes()

    path = write(tmp_path / "native.dcm", frames, ExplicitVRLittleEndian, fill)
    decode(path, 0)
    before, memory = read_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(FRAMES):
        assert np.array_equal(decode(path, index).stored, frames[index])
    assert read_bytes() - before < 4 * path.stat().st_size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 64 << 10
