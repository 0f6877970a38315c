# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.dicom.pixels.test_deflated import CHUNK, LIMIT_BYTES, SIDE, bomb, deflated, little_memory


def test_a_bomb_is_not_given_uncompressed(bomb: Path) -> None:
    with little_memory(), pytest.raises(DecodeError, match="inflates to more than"):
        uncompress(bomb.read_bytes())


def test_a_header_that_goes_on_without_end_is_refused(tmp_path: Path) -> None:
    """An object without pixels, and 200 MB of an element in front of where they would be."""
    endless = deflated(tmp_path / "endless.dcm", b"", b"\x09\x00\x10\x00UN", 200 << 20)
    with pytest.raises(DataSetError, match="larger than"):
        read_head(endless)


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
