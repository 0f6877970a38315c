"""A deflated data set takes no more memory than its header until it is known how large its pixels may be."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, ComputedRadiographyImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.head import read_head
from miqa_node.dicom.bytes.notes import read_note
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.dicom.pixels.representative import representative_frame
from miqa_node.errors import DataSetError, DecodeError
from miqa_node.stages.measure.slices import _read
from miqa_node.stages.report.source import read_source

SIDE = 14_000
CHUNK = bytes(1 << 20)
LIMIT_BYTES = 100 << 20
MAX_PIXELS = load_settings().imaging.max_pixels


def deflated(path: Path, head: bytes, last: bytes, size: int) -> Path:
    """A file whose data set is ``head`` and one more element: its tag and VR are ``last``, its value zeros."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ComputedRadiographyImageStorage, UID("1.2.3.4")
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    out = pydicom.filebase.DicomBytesIO()
    pydicom.filewriter.write_file_meta_info(out, meta)
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM" + out.getvalue())
        file.write(packer.compress(head + last + b"\0\0" + size.to_bytes(4, "little")))
        for begin in range(0, size, len(CHUNK)):
            file.write(packer.compress(CHUNK[: size - begin]))
        file.write(packer.flush())
    return path


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    """A radiograph of 14,000 × 14,000 pixels: 382 KB that stand for 392 MB."""
    ds = pydicom.dcmread(samples / "RG3_UNCR.dcm", stop_before_pixels=True)
    ds.Rows = ds.Columns = SIDE
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    ds.save_as(out, implicit_vr=False, little_endian=True, enforce_file_format=False)
    whole = out.getvalue()
    body = whole[144 + int.from_bytes(whole[140:144], "little") :]
    return deflated(tmp_path_factory.mktemp("deflated") / "bomb.dcm", body, b"\xe0\x7f\x10\x00OW", 2 * SIDE * SIDE)


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LIMIT_BYTES


def test_a_bomb_is_refused_before_it_is_inflated(bomb: Path) -> None:
    with little_memory(), pytest.raises(DecodeError, match=r"14000 × 14000 pixels exceed .*max_pixels"):
        decode_frame(bomb, 0, MAX_PIXELS)


@pytest.mark.parametrize("name", ["RG3_UNCR.dcm", "MR2_UNCR.dcm"])
def test_the_header_and_pixels_of_an_honest_file(tmp_path: Path, samples: Path, name: str) -> None:
    plain = pydicom.dcmread(samples / name)
    expected = decode_frame(samples / name, 0, MAX_PIXELS)
    plain.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    plain.save_as(tmp_path / name, implicit_vr=False, little_endian=True)

    assert read_head(tmp_path / name) == pydicom.dcmread(tmp_path / name, stop_before_pixels=True)
    assert (decode_frame(tmp_path / name, 0, MAX_PIXELS).display == expected.display).all()


@pytest.mark.more
def test_a_bomb_is_not_given_uncompressed(bomb: Path) -> None:
    with little_memory(), pytest.raises(DecodeError, match="inflates to more than"):
        uncompress(bomb.read_bytes())


@pytest.mark.more
def test_a_header_that_goes_on_without_end_is_refused(tmp_path: Path) -> None:
    """An object without pixels, and 200 MB of an element in front of where they would be."""
    endless = deflated(tmp_path / "endless.dcm", b"", b"\x09\x00\x10\x00UN", 200 << 20)
    with pytest.raises(DataSetError, match="larger than"):
        read_head(endless)


@pytest.mark.more
@pytest.mark.parametrize(
    "read",
    [
        read_head, read_source, read_note, lambda path: _read((InstanceDigest("d"), path)),
        representative_frame,
    ],
    ids=["header", "source of results", "note", "slice", "representative frame"],
)  # fmt: skip
def test_headers_of_a_bomb_take_little_memory(bomb: Path, read: Callable[[Path], object]) -> None:
    assert bomb.stat().st_size < 2 << 20
    with little_memory():
        read(bomb)
