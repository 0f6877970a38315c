"""Bits that no value uses are empty in the copy, and every value is what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.runtime.workers.child import decode_here
from miqa_training.deidentify.dataset import DeidentificationMethod
from miqa_training.deidentify.files import UNKNOWN_BITS, deidentify_files
from miqa_training.deidentify.unused_bits import without_unused_bits
from miqa_training.deidentify.values import Secrets
from tests.stages.assess.text.writing import CR, write

METHOD = DeidentificationMethod(Secrets(b"a key of the test, 16 or more"))
CHANCE = np.random.default_rng(57)
WRITING = CHANCE.random((32, 48)) < 0.2


def values(*, signed: bool, bits: int) -> NDArray[Any]:
    low = -(1 << bits - 1) if signed else 0
    return CHANCE.integers(low, low + (1 << bits), WRITING.shape).astype(np.int16 if signed else np.uint16)


def described(path: Path, words: NDArray[Any], bits: int, high: int | None = None, **elements: object) -> Path:
    elements = {"BitsStored": bits, "HighBit": bits - 1 if high is None else high, **elements}
    return write(path, words, CR, "CR", **elements)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_a_writing_above_the_values_is_gone_and_they_are_as_before(tmp_path: Path, bits: int, *, signed: bool) -> None:
    stored = values(signed=signed, bits=bits)
    source = described(tmp_path / "a.dcm", stored ^ (WRITING.astype(stored.dtype) << 15), bits)
    before = pydicom.dcmread(source).pixel_array
    [outcome] = deidentify_files([(source, Path())], tmp_path / "out", METHOD)
    assert outcome.written is not None, outcome.reason
    copy = pydicom.dcmread(outcome.written)
    assert np.array_equal(before, stored)
    assert np.array_equal(copy.pixel_array, stored)
    assert np.array_equal(np.frombuffer(copy.PixelData, stored.dtype).reshape(stored.shape), stored)


def test_values_in_the_highest_bits_stay_there_alone(tmp_path: Path) -> None:
    stored = values(signed=False, bits=12)
    source = described(tmp_path / "a.dcm", (stored << 4) | WRITING, 12, 15)
    ds = without_unused_bits(pydicom.dcmread(source), uncompress)
    assert np.array_equal(np.frombuffer(ds.PixelData, np.uint16).reshape(stored.shape), stored << 4)


@pytest.mark.parametrize(
    ("padding", "limit"), [(0xF000, None), (0xF000, 0xF0FF), (0xF010, 0xF0FF), (0xFFFF, None), (-2000, None)]
)
def test_padding_outside_of_the_values_stays_padding(tmp_path: Path, padding: int, limit: int | None) -> None:
    stored = values(signed=False, bits=12)
    stored[:8] = 0xFFFF & padding
    stored[0, 0] = 0xFFFF & (padding if limit is None else limit)
    range_limit = {} if limit is None else {"PixelPaddingRangeLimit": limit}
    described_padding = padding & 0xFFFF
    source = described(tmp_path / "a.dcm", stored, 12, PixelPaddingValue=described_padding, **range_limit)
    before = decode_here(source, 0, 1 << 24)
    [outcome] = deidentify_files([(source, Path())], tmp_path / "out", METHOD)
    assert outcome.written is not None
    after = decode_here(outcome.written, 0, 1 << 24)
    assert np.array_equal(before.display, after.display)
    assert after.valid is not None
    assert before.valid is not None
    assert np.array_equal(before.valid, after.valid)
    assert not after.valid[:8].any()


def test_an_overlay_in_the_bit_of_the_padding_value_is_no_padding(tmp_path: Path) -> None:
    stored = np.zeros(WRITING.shape, np.uint16)
    source = described(tmp_path / "a.dcm", stored | (WRITING.astype(np.uint16) << 15), 12, PixelPaddingValue=0x8000)
    ds = pydicom.dcmread(source)
    ds.add_new(0x60000102, "US", 15)
    assert not np.frombuffer(without_unused_bits(ds, uncompress).PixelData, np.uint16).any()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_writing_within_a_codestream_is_gone(tmp_path: Path, syntax: str) -> None:
    stored = values(signed=False, bits=12)
    ds = pydicom.dcmread(write(tmp_path / "a.dcm", stored | (WRITING.astype(np.uint16) << 15), CR, "CR"))
    ds.compress(syntax, generate_instance_uid=False)
    ds.BitsStored, ds.HighBit = 12, 11
    plain = without_unused_bits(ds, uncompress)
    assert np.array_equal(np.frombuffer(plain.PixelData, np.uint16).reshape(stored.shape), stored)


@pytest.mark.parametrize(
    "name",
    ["693_UNCI.dcm", "693_J2KI.dcm", "emri_small_big_endian.dcm", "emri_small_RLE.dcm", "mlut_18.dcm", "MR2_J2KI.dcm",
     "emri_small_jpeg_ls_lossless.dcm", "J2K_pixelrep_mismatch.dcm", "JPGExtended.dcm"],
)  # fmt: skip
def test_what_devices_wrote_shows_the_same_values(name: str, samples: Path) -> None:
    path = samples / name if (samples / name).exists() else Path(str(get_testdata_file(name)))
    ds = pydicom.dcmread(path)
    before, data = pydicom.dcmread(path).pixel_array, ds.PixelData
    after = without_unused_bits(ds, uncompress)
    assert np.array_equal(after.pixel_array, before)
    assert after.PixelData == data or name == "mlut_18.dcm", "without a writing the bytes stay"


def test_bits_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source = described(tmp_path / "a.dcm", values(signed=False, bits=12), 17)
    [outcome] = deidentify_files([(source, Path())], tmp_path / "out", METHOD)
    assert (outcome.written, outcome.reason) == (None, UNKNOWN_BITS)
