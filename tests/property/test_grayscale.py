"""The one-table grayscale equals pydicom's reference functions, whatever the data set asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from miqa_node.dicom.pixels.grayscale import CONTRADICTION, WHITE, find_padding, read_grayscale, render

FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def images(draw: st.DrawFn) -> tuple[Dataset, NDArray[np.integer]]:
    """A data set's pixel description and random stored values within its bits."""
    signed = draw(st.booleans())
    bits = draw(st.sampled_from([8, 10, 12, 15, 16]))
    allocated = 8 if bits == 8 else 16
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    stored = np.random.default_rng(draw(st.integers(0, 999))).integers(low, high + 1, (16, 16))
    stored[0, :2] = low, high
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PixelRepresentation, ds.BitsAllocated, ds.BitsStored = int(signed), allocated, bits
    ds.PhotometricInterpretation = "MONOCHROME2"
    return ds, stored.astype(f"{'i' if signed else 'u'}{allocated // 8}")


functions = st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"])
slopes = st.floats(0.01, 100, allow_nan=False).map(lambda value: float(f"{value:.6g}"))
intercepts = st.integers(-3000, 3000).map(float)


def shares(display: NDArray[np.uint16]) -> NDArray[np.float64]:
    return np.asarray(display / WHITE, dtype=np.float64)


@FEW
@given(images(), slopes, intercepts, st.floats(-4000, 70000), st.floats(2, 70000), functions)
def test_windows_equal_pydicom(
    image: tuple[Dataset, NDArray[Any]], slope: float, intercept: float, center: float, width: float, function: str
) -> None:
    ds, stored = image
    ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = f"{center:.6g}", f"{width:.6g}", function
    ours = shares(render(stored, read_grayscale(ds)))
    with np.errstate(over="ignore"):  # pydicom's sigmoid runs over where it is 0 anyway
        reference = apply_windowing(apply_modality_lut(stored, ds), ds)
    # pydicom scales into the range that the rescaled bits allow; its ends are those of the stored range.
    span = np.array([np.iinfo(stored.dtype).min, np.iinfo(stored.dtype).max], dtype=stored.dtype)
    if ds.BitsStored < ds.BitsAllocated:
        bits, signed = ds.BitsStored, ds.PixelRepresentation
        span = np.array([-(1 << bits - 1), (1 << bits - 1) - 1] if signed else [0, (1 << bits) - 1], dtype=stored.dtype)
    low, high = apply_modality_lut(span, ds)
    theirs = (reference - low) / (high - low)
    assert np.abs(ours - theirs).max() <= 1.0 / WHITE


@FEW
@given(images(), st.integers(2, 4096), st.integers(-3000, 3000), st.sampled_from([10, 12, 16]))
def test_voi_luts_equal_pydicom(image: tuple[Dataset, NDArray[Any]], entries: int, first: int, bits: int) -> None:
    ds, stored = image
    first = int(np.clip(first, np.iinfo(stored.dtype).min, np.iinfo(stored.dtype).max))  # pydicom takes no others
    table = np.random.default_rng(entries).integers(0, 1 << bits, entries).astype(np.uint16)
    table[-1] = (1 << bits) - 1  # white, so that the entries have the declared bits
    ds.VOILUTSequence = Sequence([_lut(entries, first, bits, table)])
    ours = shares(render(stored, read_grayscale(ds)))
    theirs = apply_voi_lut(stored.astype(np.int32), ds) / ((1 << bits) - 1)
    assert np.abs(ours - theirs).max() <= 1.0 / WHITE


@FEW
@given(images(), st.integers(1, 512).map(lambda half: 2 * half), st.integers(-3000, 3000), st.booleans())
def test_voi_luts_of_8_bits_may_be_packed(
    image: tuple[Dataset, NDArray[Any]], entries: int, first: int, packed: bool
) -> None:
    """Against the definition (PS3.3 C.11.2.1.1): pydicom reads no packed data, and its index runs over at 8 bits."""
    ds, stored = image
    table = np.random.default_rng(entries).integers(0, 256, entries).astype(np.uint16)
    ds.VOILUTSequence = Sequence([_lut(entries, first, 8, table, packed=packed)])
    ours = shares(render(stored, read_grayscale(ds)))
    expected = table[np.clip(stored.astype(int) - first, 0, entries - 1)] / 255.0
    assert np.abs(ours - expected).max() <= 1.0 / WHITE


@FEW
@given(images(), st.integers(2, 4096), st.integers(-3000, 3000), st.floats(0, 70000), st.floats(2, 70000))
def test_modality_luts_equal_pydicom(
    image: tuple[Dataset, NDArray[Any]], entries: int, first: int, center: float, width: float
) -> None:
    ds, stored = image
    first = int(np.clip(first, np.iinfo(stored.dtype).min, np.iinfo(stored.dtype).max))
    table = np.random.default_rng(entries).integers(0, 1 << 16, entries).astype(np.uint16)
    ds.ModalityLUTSequence = Sequence([_lut(entries, first, 16, table)])
    ds.ModalityLUTSequence[0].ModalityLUTType = "US"
    ds.WindowCenter, ds.WindowWidth = f"{center:.6g}", f"{width:.6g}"
    ours = shares(render(stored, read_grayscale(ds)))
    reference = apply_windowing(apply_modality_lut(stored.astype(np.int32), ds), ds)  # its 8 bits would run over
    assert np.abs(ours - reference / 65535.0).max() <= 1.0 / WHITE


@FEW
@given(images(), slopes, intercepts)
def test_without_voi_the_used_range_fills_the_display(
    image: tuple[Dataset, NDArray[Any]], slope: float, intercept: float
) -> None:
    ds, stored = image
    ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    grayscale = read_grayscale(ds)
    display = render(stored, grayscale)
    assert (display.min(), display.max()) == (0, WHITE)
    assert np.array_equal(np.argsort(display.ravel(), kind="stable"), np.argsort(stored.ravel(), kind="stable"))
    assert "no VOI: full used range" in grayscale.steps()


@FEW
@given(images(), st.floats(0, 60000), st.floats(2, 60000), st.sampled_from(["MONOCHROME1", "INVERSE"]))
def test_inversion_is_the_mirror(image: tuple[Dataset, NDArray[Any]], center: float, width: float, how: str) -> None:
    ds, stored = image
    ds.WindowCenter, ds.WindowWidth = f"{center:.6g}", f"{width:.6g}"
    plain = render(stored, read_grayscale(ds)).astype(int)
    if how == "INVERSE":
        ds.PresentationLUTShape = "INVERSE"
    else:
        ds.PhotometricInterpretation = "MONOCHROME1"
    inverted = render(stored, read_grayscale(ds))
    assert np.abs(plain + inverted - WHITE).max() <= 1
    ds.PresentationLUTShape, ds.PhotometricInterpretation = "INVERSE", "MONOCHROME1"
    assert np.array_equal(render(stored, read_grayscale(ds)), inverted)  # both say the same thing, once


@FEW
@given(images(), st.integers(-40000, 70000), st.integers(0, 3000), st.booleans())
def test_padding_is_black_and_takes_no_part_in_the_range(
    image: tuple[Dataset, NDArray[Any]],
    value: int,
    extent: int,
    backwards: bool,
) -> None:
    ds, stored = image
    info = np.iinfo(stored.dtype)
    value = int(np.clip(value, info.min, info.max))
    limit = int(np.clip(value - extent if backwards else value + extent, info.min, info.max))
    vr = "SS" if ds.PixelRepresentation else "US"
    ds.add_new("PixelPaddingValue", vr, value)
    ds.add_new("PixelPaddingRangeLimit", vr, limit)
    grayscale = read_grayscale(ds)
    valid = find_padding(stored, grayscale.padding)
    padded = (stored >= min(value, limit)) & (stored <= max(value, limit))
    assert (valid is None) == (not padded.any())
    display = render(stored, grayscale, valid)
    assert not display[padded].any()
    if (~padded).sum() > 2 and len(np.unique(stored[~padded])) > 1:
        assert (display[~padded].min(), display[~padded].max()) == (0, WHITE)


@pytest.mark.parametrize(
    ("elements", "note"),
    [
        ({"WindowCenter": "10", "WindowWidth": "0"}, "window width out of range ignored"),
        ({"WindowCenter": "10", "WindowWidth": "-5"}, "window width out of range ignored"),
        ({"RescaleSlope": "0", "RescaleIntercept": "5"}, "rescale slope 0 ignored"),
        ({"WindowCenter": 2, "WindowWidth": 5, "VOILUTFunction": "CUBE"}, "unknown VOI LUT function taken as LINEAR"),
        ({"VOILUTSequence": Sequence([Dataset()])}, "VOILUTSequence without usable data ignored"),
    ],
)  # fmt: skip
def test_what_the_standard_forbids_is_left_out_and_said(elements: dict[str, object], note: str) -> None:
    ds = Dataset()
    ds.PhotometricInterpretation, ds.PixelRepresentation, ds.BitsAllocated = "MONOCHROME2", 0, 16
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    grayscale = read_grayscale(ds)
    assert note in grayscale.steps()
    assert render(np.arange(4, dtype=np.uint16).reshape(2, 2), grayscale).max() > 0


@pytest.mark.parametrize(
    ("declared", "brightest", "used"),
    [(16, 4095, 12), (16, 4027, 12), (16, 1023, 10), (16, 255, 8), (12, 1023, 10), (12, 4095, 12), (16, 3000, 16),
     (16, 40000, 16), (12, 2000, 12), (16, 100, 16)],
)  # fmt: skip
def test_a_voi_lut_is_read_by_its_entries_where_they_end_at_fewer_bits(
    declared: int, brightest: int, used: int
) -> None:
    ds = Dataset()
    ds.PhotometricInterpretation, ds.PixelRepresentation, ds.BitsAllocated = "MONOCHROME2", 0, 16
    table = np.linspace(0, brightest, 64).astype(np.uint16)
    ds.VOILUTSequence = Sequence([_lut(64, 0, declared, table)])
    grayscale = read_grayscale(ds)
    display = render(np.arange(64, dtype=np.uint16).reshape(8, 8), grayscale)
    assert abs(int(display.max()) - WHITE * brightest / ((1 << used) - 1)) <= 1
    assert any("entries end at" in step for step in grayscale.steps()) == (used != declared)


@pytest.mark.parametrize("suffix", ["12.1", "12.1.1", "12.2", "12.2.1", "12.3"])
def test_the_modality_lut_of_an_angiogram_is_not_displayed(suffix: str) -> None:
    """PS3.3 C.8.7.1.1.2: it leads back to the intensity of the beam."""
    ds = Dataset()
    ds.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{suffix}"
    ds.PhotometricInterpretation, ds.PixelRepresentation, ds.BitsAllocated, ds.BitsStored = "MONOCHROME2", 0, 16, 12
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    plain = render(stored, read_grayscale(ds))
    ds.ModalityLUTSequence = Sequence([_lut(4096, 0, 16, (np.arange(4096) ** 2 // 4096).astype(np.uint16))])
    grayscale = read_grayscale(ds)
    assert np.array_equal(render(stored, grayscale), plain)
    assert "modality LUT of beam intensity not displayed" in grayscale.steps()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    assert not np.array_equal(render(stored, read_grayscale(ds)), plain)


@pytest.mark.parametrize(
    ("photometric", "shape", "contradicts"),
    [("MONOCHROME1", "IDENTITY", True), ("MONOCHROME2", "INVERSE", True), ("MONOCHROME1", "INVERSE", False),
     ("MONOCHROME2", "IDENTITY", False), ("MONOCHROME1", "", False)],
)  # fmt: skip
def test_a_presentation_shape_that_contradicts_the_photometric_interpretation_is_said(
    photometric: str, shape: str, contradicts: bool
) -> None:
    ds = Dataset()
    ds.PhotometricInterpretation, ds.PixelRepresentation, ds.BitsAllocated = photometric, 0, 16
    ds.PresentationLUTShape = shape
    assert (CONTRADICTION in read_grayscale(ds).steps()) == contradicts


def test_the_first_of_several_windows_is_used() -> None:
    ds = Dataset()
    ds.PhotometricInterpretation, ds.WindowCenter, ds.WindowWidth = "MONOCHROME2", ["100", "40"], ["50", "400"]
    assert "VOI LINEAR center 100 width 50" in read_grayscale(ds).steps()


def test_windows_of_one_frame_come_from_its_functional_groups(samples: Path) -> None:
    ds = pydicom.dcmread(samples / "eCT_Supplemental.dcm")
    steps = read_grayscale(ds, 1).steps()
    assert any(step.startswith("VOI LINEAR") for step in steps)
    assert any(step.startswith("rescale") for step in steps)


def test_images_deeper_than_the_table_are_computed(samples: Path) -> None:
    stored = np.linspace(0, 2**31 - 1, 600 * 40).astype(np.uint32).reshape(600, 40)
    ds = Dataset()
    ds.PhotometricInterpretation, ds.PixelRepresentation, ds.BitsAllocated = "MONOCHROME2", 0, 32
    display = render(stored, read_grayscale(ds))
    assert np.abs(display / WHITE - stored / (2.0**31 - 1)).max() < 1e-4


@pytest.mark.parametrize("name", ["mlut_18.dcm", "vlut_04.dcm"])
def test_real_luts_equal_pydicom(samples: Path, name: str) -> None:
    ds = pydicom.dcmread(samples / name)
    stored = ds.pixel_array
    ours = render(stored, read_grayscale(ds))
    theirs = apply_voi_lut(apply_modality_lut(stored, ds), ds).astype(np.float64)
    if "VOILUTSequence" in ds:
        expected = theirs / (2.0 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1)
    else:
        expected = (theirs - theirs.min()) / (theirs.max() - theirs.min())
    if ds.PhotometricInterpretation == "MONOCHROME1":
        expected = 1.0 - expected
    assert np.abs(ours / WHITE - expected).max() <= 1.0 / WHITE


def _lut(entries: int, first: int, bits: int, table: NDArray[np.uint16], *, packed: bool = False) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [entries if entries < 65536 else 0, first, bits])
    item.add_new("LUTData", "OW", table.astype(np.uint8).tobytes() if packed else table.tobytes())
    item.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    return item
