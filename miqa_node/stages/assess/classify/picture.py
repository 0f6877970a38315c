"""Turns display pixels into a classifier's input as the package's card specifies; training runs the same code.

The steps, in order: percentile stretch to 0 to 1 (grayscale only), resizing, CLAHE, then (x − mean) / std.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.histogram import Counts, histogram, percentiles_of
from miqa_node.dicom.pixels.reduction import reduced
from miqa_node.stages.assess.section import Section

Channel = Annotated[float, Field(gt=0)]


class Clahe(Section):
    """Contrast-limited adaptive histogram equalisation of the resized image (Zuiderveld, Graphics Gems IV, 1994).

    ``clip_limit`` is OpenCV's: maximum height of a bin as a multiple of a flat histogram's height. The image is cut
    into ``tiles`` × ``tiles``. In colour images the lightness is equalised.
    """

    clip_limit: Annotated[float, Field(gt=0, le=40)] = 2.0
    tiles: Annotated[int, Field(ge=1, le=64)] = 8


class Stretch(Section):
    """Maps display values between two percentiles of a grayscale image to 0 to 1; values beyond are clipped.

    ``least_range`` (share of the display range) keeps the noise of a blank image from being amplified.
    """

    low_percentile: Annotated[float, Field(ge=0, lt=50)] = 0.5
    high_percentile: Annotated[float, Field(gt=50, le=100)] = 99.5
    least_range: Annotated[float, Field(gt=0, le=1)] = 0.02


class PictureInput(Section):
    """The ``picture`` section of a card.

    ``fit``: "stretch" fills the size without keeping the aspect, "pad" keeps the aspect and fills with black.
    ``channels`` 3 repeats a grayscale image; with ``colour`` a colour image keeps its colours, else it is converted to
    luminance. ``mean`` and ``std`` have one number for all channels, or one for each.
    """

    rows: Annotated[int, Field(ge=16, le=1024)]
    columns: Annotated[int, Field(ge=16, le=1024)]
    fit: Literal["stretch", "pad"] = "stretch"
    channels: Literal[1, 3] = 1
    colour: bool = False
    stretch: Stretch | None = Stretch()
    clahe: Clahe | None = None
    mean: tuple[float, ...] = (0.5,)
    std: tuple[Channel, ...] = (0.25,)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.colour and self.channels != 3:
            raise ValueError("colour needs 3 channels")
        if any(len(values) not in {1, self.channels} for values in (self.mean, self.std)):
            raise ValueError("mean and std have one number, or one for each channel")
        return self


def prepare(
    display: NDArray[np.uint16], spec: PictureInput, valid: NDArray[np.bool_] | None = None,
    counts: Counts | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """The graph's input, (1, channels, rows, columns), of presentation values.

    ``display`` has shape (rows, columns), or (rows, columns, 3) as RGB; 0 is black and 65,535 is white. Where ``valid``
    is False (padding) the model sees black. ``counts`` are those of the valid values of a gray image, if known already.
    """
    return normalised(sized(display, spec, valid, counts), spec)


def looked_at(radiograph: Radiograph, spec: PictureInput) -> NDArray[np.uint16]:
    """The values that a package with this input uses: RGB if it takes colour, else presentation values."""
    return radiograph.colour if spec.colour and radiograph.colour is not None else radiograph.display


def sized(
    display: NDArray[np.uint16], spec: PictureInput, valid: NDArray[np.bool_] | None = None,
    counts: Counts | None = None,
) -> NDArray[np.uint8]:  # fmt: skip
    """The resized image before normalisation, 8 bits, (rows, columns) or (rows, columns, 3); training caches it."""
    if display.ndim == 3 and not spec.colour:
        display = cv2.cvtColor(display, cv2.COLOR_RGB2GRAY).astype(np.uint16)
    return resized(stretched(display, spec.stretch, valid, counts), spec)


def stretched(
    display: NDArray[np.uint16], spec: Stretch | None, valid: NDArray[np.bool_] | None = None,
    counts: Counts | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """Presentation values as 0 to 1, those of colour images without a stretch; 0 where ``valid`` is False."""
    mask = valid if valid is not None and not valid.all() else None
    if spec is None or display.ndim == 3:
        values = display.astype(np.float32) / np.float32(65535.0)
    else:
        if counts is None:
            counts = histogram(display, None if mask is None else mask.view(np.uint8))
        limits = spec.low_percentile, spec.high_percentile
        low, high = percentiles_of(counts, limits) if counts.any() else (0.0, 0.0)
        span = max(float(high - low), spec.least_range * 65535.0)
        values = display.astype(np.float32)
        values -= np.float32(low)
        values *= np.float32(1.0 / span)
        np.clip(values, 0.0, 1.0, out=values)
    if mask is not None:
        values[~mask] = 0.0
    return values


def resized(values: NDArray[np.float32], spec: PictureInput) -> NDArray[np.uint8]:
    """The steps of :func:`sized` after the stretch; ``values`` are 0 to 1, (rows, columns) or (rows, columns, 3)."""
    top, left, rows, columns = place_in(values.shape, spec)
    scale = max(rows / values.shape[0], columns / values.shape[1])
    if scale < 1.0:
        fine = reduced(values, rows, columns)
    else:
        fine = np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)
    small = np.asarray(cv2.convertScaleAbs(fine, alpha=255.0), np.uint8)  # rounds half to even, none is below 0
    if spec.clahe is not None:
        small = _equalised(small, spec.clahe)
    if (rows, columns) == (spec.rows, spec.columns):
        return small
    whole = np.zeros((spec.rows, spec.columns, *small.shape[2:]), np.uint8)
    whole[top : top + rows, left : left + columns] = small
    return whole


def normalised(small: NDArray[np.uint8], spec: PictureInput) -> NDArray[np.float32]:
    """A resized image as (1, channels, rows, columns)."""
    mean, std = (np.array(values, np.float32).reshape(-1, 1) for values in (spec.mean, spec.std))
    # The few values that 8 bits can have are computed once.
    tables = (np.arange(256, dtype=np.float32) / np.float32(255.0) - mean) / std
    planes = small[None] if small.ndim == 2 else np.moveaxis(small, 2, 0)
    tables = np.broadcast_to(tables, (spec.channels, 256))
    planes = np.broadcast_to(planes, (spec.channels, *planes.shape[1:]))
    return np.stack([table.take(plane) for table, plane in zip(tables, planes, strict=True)])[None]


def to_source(values: NDArray[np.float32], shape: tuple[int, ...], spec: PictureInput) -> NDArray[np.float32]:
    """The part of a map over the input that covers the source image, whose shape begins with (rows, columns)."""
    top, left, rows, columns = place_in(shape, spec)
    if (rows, columns) == (spec.rows, spec.columns):
        return values
    fine = cv2.resize(values, (spec.columns, spec.rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[top : top + rows, left : left + columns], np.float32)


def place_in(shape: tuple[int, ...], spec: PictureInput) -> tuple[int, int, int, int]:
    """(top, left, rows, columns) of the image in the input."""
    if spec.fit == "stretch":
        return 0, 0, spec.rows, spec.columns
    scale = min(spec.rows / shape[0], spec.columns / shape[1])
    rows, columns = (
        max(1, min(whole, round(side * scale)))
        for side, whole in zip(shape[:2], (spec.rows, spec.columns), strict=True)
    )
    return (spec.rows - rows) // 2, (spec.columns - columns) // 2, rows, columns


def _equalised(small: NDArray[np.uint8], spec: Clahe) -> NDArray[np.uint8]:
    clahe = cv2.createCLAHE(spec.clip_limit, (spec.tiles, spec.tiles))
    if small.ndim == 2:
        return np.asarray(clahe.apply(small), np.uint8)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    lab[..., 0] = clahe.apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)
