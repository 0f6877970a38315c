"""Objects of every kind that show nothing that could be measured, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from miqa_node.core.domain.assessment import LeftOut, Measurement
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.stages.measure.frames import frames_numbers
from miqa_node.stages.measure.projection import numbers_of
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.measure.view import ImageView
from tests.stages.measure.frames import making as frames
from tests.stages.measure.phantoms import chest, header, radiograph
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged

Image = making.Image
TOP = {"CT": 3071.0, "MR": 4095.0, "PT": 4095.0}
PADDING = -2000
SLICES = 6


def one_value(image: Image, _: str) -> Image:
    return np.full(image.shape, 40.0)


def black(image: Image, modality: str) -> Image:
    return np.full(image.shape, -1024.0 if modality == "CT" else 0.0)


def saturated(image: Image, modality: str) -> Image:
    """The body, and half of what is around it, at the highest value."""
    top = TOP[modality]
    changed = np.where(image > (-500.0 if modality == "CT" else 60.0), top, image)
    changed[:, : image.shape[1] // 3] = top
    return changed


def tiny(image: Image, _: str) -> Image:
    middle = image.shape[0] // 2
    return image[middle - 8 : middle + 8, middle - 8 : middle + 8]


def as_it_is(image: Image, _: str) -> Image:
    return image


def twelve_bits(dataset: FileDataset) -> None:
    """As most scanners write: stored values from 0 to 4095."""
    stored = np.frombuffer(dataset.PixelData, "<i2").clip(0, 4095).astype("<u2")
    dataset.PixelData, dataset.PixelRepresentation = stored.tobytes(), 0
    dataset.BitsStored, dataset.HighBit = 12, 11


def padded(dataset: FileDataset) -> None:
    """Nothing but padding."""
    dataset.PixelPaddingValue = PADDING
    dataset.PixelData = np.full(dataset.Rows * dataset.Columns, PADDING, "<i2").tobytes()


def without_scale(dataset: FileDataset) -> None:
    """A slope that is no number."""
    dataset.add_new("RescaleSlope", "DS", "1")
    dataset["RescaleSlope"]._value = "NaN"
    dataset.RescaleIntercept = "0"


Change = Callable[[FileDataset], None]
CASES: Mapping[str, tuple[Callable[[Image, str], Image], Change]] = {
    "one value": (one_value, twelve_bits),
    "black": (black, twelve_bits),
    "saturated": (saturated, twelve_bits),
    "16 x 16": (tiny, twelve_bits),
    "padding": (as_it_is, padded),
    "NaN": (as_it_is, without_scale),
}
Numbers = tuple[Sequence[Measurement], Sequence[LeftOut]]


def of_series(folder: Path, case: str, modality: str) -> Numbers:
    """What is measured of a stack of such slices."""
    change_image, change = CASES[case]
    sound = making.layered_ct if modality == "CT" else making.head_mr
    images = [change_image(sound(seed=seed), modality) for seed in range(SLICES)]
    assessment = judged(making.write_series(folder, images, modality, change=change)).assessment
    return assessment.measurements, assessment.left_out


def of_radiograph(case: str) -> Numbers:
    """What is measured of such a frontal chest, (rows, columns) of 12 bits."""
    image = chest(noise=10.0)
    valid = None
    match case:
        case "one value":
            image = np.full(image.shape, 500.0)
        case "black":
            image = np.zeros(image.shape)
        case "saturated":
            image = np.full(image.shape, 4095.0)
        case "16 x 16":
            image = image[100:116, 100:116]
        case "padding":
            valid = np.zeros(image.shape, bool)
        case _:
            raise ValueError(case)
    return numbers_of(ImageView(radiograph(image, valid=valid), header()))


def of_frames(path: Path, case: str, modality: str, change: Callable[[Dataset], None] | None = None) -> Numbers:
    """What is measured of such frames of 8 bits."""
    image = frames.speckle()
    match case:
        case "one value":
            image = np.full(image.shape, 90.0)
        case "black":
            image = np.zeros(image.shape)
        case "saturated":
            image = np.full(image.shape, 255.0)
        case "16 x 16":
            image = image[100:116, 100:116]
        case _:
            raise ValueError(case)
    frames.write(path, modality, [image] * (3 if modality in ("US", "XA", "NM") else 1), change)
    read, _ = read_header(path, nameless=True)
    measured = frames_numbers(read, (InstanceDigest("d" * 64), path), SliceTools(frames.decode))
    return measured.measurements, measured.left_out
