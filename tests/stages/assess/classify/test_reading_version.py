"""Whoever changes what a package is given raises the number that ends certificates."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels.utils import compress
from pydicom.uid import RLELossless

from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.classify.picture import Clahe, PictureInput, prepare
from miqa_node.stages.assess.classify.reading import READING
from tests.stages.assess.making import chest_dataset

KNOWN = {"1": "c7c27ec614ca04bb"}
DECODED = {"1": "ed8310841e852b63"}


def test_the_number_is_raised_when_pixels_change() -> None:
    rng = np.random.default_rng(3)
    display = (np.linspace(0, 60000, 90 * 70).reshape(90, 70) + rng.integers(0, 5000, (90, 70))).astype(np.uint16)
    valid = np.ones(display.shape, bool)
    valid[:8] = False
    digest = hashlib.sha256()
    for spec in (
        PictureInput(rows=32, columns=32),
        PictureInput(rows=32, columns=48, fit="pad", clahe=Clahe(), channels=3),
        PictureInput(rows=96, columns=96, stretch=None),
    ):
        # Rounded as the grey steps of the input: libraries may differ in the last digit.
        digest.update(np.rint(prepare(display, spec, valid) * 50.0).astype(np.int16).tobytes())
    assert KNOWN[READING] == digest.hexdigest()[:16], "raise READING, and put the new digest beside it"


def _window(ds: pydicom.Dataset) -> None:
    ds.WindowCenter, ds.WindowWidth = 1200, 900


def _inverse(ds: pydicom.Dataset) -> None:
    ds.PhotometricInterpretation, ds.PresentationLUTShape = "MONOCHROME1", "INVERSE"


def _sigmoid(ds: pydicom.Dataset) -> None:
    _window(ds)
    ds.VOILUTFunction = "SIGMOID"


def _signed(ds: pydicom.Dataset) -> None:
    ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 1, 16, 15
    ds.RescaleSlope, ds.RescaleIntercept = 0.5, -100


def _padded(ds: pydicom.Dataset) -> None:
    ds.PixelPaddingValue, ds.PixelPaddingRangeLimit = 0, 90


def _compressed(ds: pydicom.Dataset) -> None:
    compress(ds, RLELossless)


def test_the_number_is_raised_when_decoding_or_windowing_changes(tmp_path: Path) -> None:
    digest = hashlib.sha256()
    for change in (_window, _inverse, _sigmoid, _signed, _padded, _compressed):
        ds = chest_dataset(7)
        change(ds)
        ds.save_as(tmp_path / "image.dcm", enforce_file_format=True)
        radiograph = decode_here(tmp_path / "image.dcm", 0, 1 << 20)
        digest.update(np.rint(radiograph.display / 256.0).astype(np.int16).tobytes())
        digest.update(b"" if radiograph.valid is None else np.packbits(radiograph.valid).tobytes())
    assert DECODED[READING] == digest.hexdigest()[:16], "raise READING, and put the new digest beside it"
