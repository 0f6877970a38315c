"""Percentiles by counting are those of numpy."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels import histogram as module
from miqa_node.dicom.pixels.histogram import displayed_counts, histogram, percentiles, presentation_table
from miqa_node.runtime.workers.child import decode_here

PERCENTS = (0.0, 0.5, 1.0, 33.3, 50.0, 99.0, 99.5, 100.0)


@pytest.fixture(params=[0, module.FEW], ids=["counted by OpenCV", "counted by NumPy"])
def _few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", request.param)


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("side", [1, 2, 3, 64, 501])
@pytest.mark.parametrize("highest", [0, 1, 255, 4095, 65535])
def test_they_are_those_of_numpy(side: int, highest: int) -> None:
    pixels = np.random.default_rng(side).integers(0, highest, (side, side + 1), np.uint16, endpoint=True)
    for part in (pixels, pixels[::2, ::2], pixels.T, pixels[pixels >= pixels.min()]):
        np.testing.assert_allclose(percentiles(part, PERCENTS), np.percentile(part, PERCENTS), rtol=1e-12, atol=1e-9)


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_pixel_that_is_not_masked_counts_once(kind: type[np.unsignedinteger[Any]]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(kind).max, (97, 61), kind, endpoint=True)
    mask = rng.integers(0, 2, pixels.shape, np.uint8) * np.uint8(255)
    expected, _ = np.histogram(pixels[mask > 0], np.arange(np.iinfo(kind).max + 2))
    assert np.array_equal(histogram(pixels, mask), expected)
    assert histogram(pixels).sum() == pixels.size


def test_more_pixels_than_can_be_counted_at_a_time_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 0)
    pixels = np.random.default_rng(0).integers(0, 99, (61, 97), np.uint16)
    mask = (pixels > 9).view(np.uint8)
    whole, valid = histogram(pixels), histogram(pixels, mask)
    monkeypatch.setattr(module, "MOST_COUNTED", 999)
    assert np.array_equal(histogram(pixels), whole)
    assert np.array_equal(histogram(pixels, mask), valid)
    assert np.array_equal(histogram(pixels.ravel()), whole)


def test_displayed_values_are_counted_where_they_are_valid() -> None:
    display = np.array([[1, 2], [2, 7]], np.uint16)
    radiograph = Radiograph(display, display, (0, 7), None, valid=np.array([[True, True], [True, False]]))
    counts = radiograph.once(displayed_counts)
    assert counts[:9].tolist() == [0, 1, 2, 0, 0, 0, 0, 0, 0]
    assert radiograph.once(displayed_counts) is counts


@pytest.mark.parametrize("padding", [None, -2000])
@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.uint8])
@pytest.mark.parametrize("window", [None, (40.0, 400.0)])
def test_counts_by_the_decoders_table_are_those_of_the_picture(
    tmp_path: Path, padding: int | None, kind: type[np.integer[Any]], window: tuple[float, float] | None
) -> None:
    radiograph = decode_here(_written(tmp_path / "image.dcm", padding, kind, window), 0, 10**6)
    assert (radiograph.valid is not None) == (padding is not None and kind is np.int16)
    plain = Radiograph(radiograph.stored, radiograph.display, radiograph.stored_range, None, radiograph.valid)
    assert radiograph.once(presentation_table) is not None
    assert plain.once(presentation_table) is None
    assert np.array_equal(radiograph.once(displayed_counts), plain.once(displayed_counts))


def test_what_was_computed_of_an_image_does_not_travel_with_it(tmp_path: Path) -> None:
    radiograph = decode_here(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm", 0, 10**6)
    assert radiograph.once(displayed_counts).sum() == radiograph.display.size
    copy = pickle.loads(pickle.dumps(radiograph))
    assert copy.once(presentation_table) is None
    assert np.array_equal(copy.display, radiograph.display)
    assert (copy.steps, copy.frames, copy.stored_range) == (
        radiograph.steps,
        radiograph.frames,
        radiograph.stored_range,
    )


def _written(path: Path, padding: int | None, kind: type[np.integer[Any]], window: tuple[float, float] | None) -> Path:
    info = np.iinfo(kind)
    pixels = np.random.default_rng(3).integers(max(info.min, -1024), min(info.max, 3000), (61, 47), kind)
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CTImageStorage, generate_uid(), "CT"
    ds.StudyInstanceUID = ds.SeriesInstanceUID = generate_uid()
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1"
    ds.BitsAllocated = ds.BitsStored = info.bits
    ds.HighBit, ds.PixelRepresentation = info.bits - 1, int(info.min < 0)
    if window is not None:
        ds.WindowCenter, ds.WindowWidth = window
    if padding is not None and info.min < 0:
        pixels[:9] = ds.PixelPaddingValue = padding
    ds.PixelData = pixels.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(path, enforce_file_format=True)
    return path
