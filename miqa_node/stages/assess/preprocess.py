"""Turns display pixels into a model's inputs as the package's card specifies; training runs the same code.

Two inputs (SCIENCE.md §1): ``global_view``, the whole image, downscaled, for anatomy, position, objects and exposure;
and ``crops``, cut at (nearly) native pitch, for blur, noise, grid and compression, which downscaling destroys. A card
may ask for a third, ``numbers``: see :mod:`miqa_node.stages.assess.numbers`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from miqa_node.core.domain.instance import Header
from miqa_node.dicom.pixels.histogram import percentiles
from miqa_node.stages.assess.numbers import WHITE, DisplayedRange, NumberName, numbers_of
from miqa_node.stages.assess.section import Section

PERCENTILE_SAMPLE_PX = 256
"""Percentiles use every n-th pixel: about this many along the longer side."""
LARGE = 5
"""An image with so many times the longer side of the global view is not normalised as a whole, which takes longer than
a small network. Packages for frontal chests look at smaller copies."""
MAX_SIDE_PX = 8192
"""Longer sides are compressed: a picture one pixel high would otherwise be enlarged to gigabytes."""


class Normalise(Section):
    """Maps display values between two percentiles to 0 to 1, clips values beyond; then (x - mean) / std.

    ``least_range`` (share of the display range) keeps the noise of a blank image from being amplified.
    """

    low_percentile: Annotated[float, Field(ge=0, lt=50)] = 0.5
    high_percentile: Annotated[float, Field(gt=50, le=100)] = 99.5
    least_range: Annotated[float, Field(gt=0, le=1)] = 0.02
    mean: float = 0.5
    std: Annotated[float, Field(gt=0)] = 0.25


class GlobalView(Section):
    """Size of the downscaled image. "stretch": it covers the whole image and does not keep the aspect."""

    rows: Annotated[int, Field(ge=32, le=2048)] = 384
    columns: Annotated[int, Field(ge=32, le=2048)] = 384
    fit: Literal["stretch"] = "stretch"


class Crops(Section):
    """Square crops on an even grid over the image.

    The image is first reduced until its longer side has ``long_side_px`` (and enlarged until its shorter side has
    ``size_px``). Each side has as many crops as are needed to cover it, at most ``most_per_side``.
    """

    size_px: Annotated[int, Field(ge=32, le=1024)] = 160
    long_side_px: Annotated[int, Field(ge=64, le=8192)] = 1024
    most_per_side: Annotated[int, Field(ge=1, le=8)] = 4


class Preprocess(Section):
    """The ``preprocess`` section of a card."""

    normalise: Normalise = Normalise()
    global_view: GlobalView = GlobalView()
    crops: Crops = Crops()
    numbers: tuple[NumberName, ...] = ()
    """What the input ``numbers`` holds, in order; a graph without that input has none."""


@dataclass(frozen=True, slots=True)
class TwoBranchInputs:
    """``global_view`` (1, 1, rows, columns) and ``crops`` (K, 1, size, size), float32.

    ``crop_boxes`` holds (x0, y0, x1, y1) of each crop as fractions of the image. ``numbers`` is (1, 2·N), see
    :func:`~miqa_node.stages.assess.numbers.numbers_of`; without a column if the card asks for none.
    """

    global_view: NDArray[np.float32]
    crops: NDArray[np.float32]
    crop_boxes: tuple[tuple[float, float, float, float], ...]
    numbers: NDArray[np.float32] = field(default_factory=lambda: np.zeros((1, 0), np.float32))

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The graph's inputs by name."""
        images = {"global_view": self.global_view, "crops": self.crops}
        return {**images, "numbers": self.numbers} if self.numbers.size else images

    @staticmethod
    def to_source(values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part of a map over the global view that covers the source image: all of it, since the fit is stretch."""
        return values


def prepare(
    display: NDArray[np.uint16], valid: NDArray[np.bool_] | None, spec: Preprocess, header: Header | None = None
) -> TwoBranchInputs:
    """The model's inputs of one image.

    ``display`` has shape (rows, columns), 0 is black and 65,535 is white; where ``valid`` is False (padding) the
    model sees black, and the normalisation ignores the pixels. Without a ``header`` its numbers are unknown.
    """
    small = working_image(display, spec.crops)
    mask = None
    if valid is not None and not valid.all():
        mask = cv2.resize(valid.astype(np.uint8), small.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    displayed = displayed_range(small, spec.normalise, mask)
    origins = crop_origins(small.shape, spec.crops)
    rows, columns = small.shape
    size = spec.crops.size_px
    boxes = tuple((x / columns, y / rows, (x + size) / columns, (y + size) / rows) for y, x in origins)
    numbers = numbers_of(spec.numbers, displayed, header)
    if max(small.shape) >= LARGE * max(spec.global_view.rows, spec.global_view.columns):
        view, crops = _apart(small, displayed, spec, mask, origins)
        return TwoBranchInputs(view, crops, boxes, numbers)
    working = normalise(small, displayed, spec.normalise, mask)
    return TwoBranchInputs(global_view(working, spec.global_view), cut_crops(working, origins, size), boxes, numbers)


def _apart(
    small: NDArray[np.uint16], displayed: DisplayedRange, spec: Preprocess, mask: NDArray[np.bool_] | None,
    origins: Sequence[tuple[int, int]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """View and crops of an image that is much larger than the view: what is in neither is not normalised."""
    size, halfway = spec.crops.size_px, (2 * spec.global_view.columns, 2 * spec.global_view.rows)
    reduced = cast("NDArray[np.uint16]", cv2.resize(small, halfway, interpolation=cv2.INTER_AREA))
    inside = None
    if mask is not None:
        inside = cv2.resize(mask.astype(np.uint8), halfway, interpolation=cv2.INTER_NEAREST) > 0
    view = global_view(normalise(reduced, displayed, spec.normalise, inside), spec.global_view)
    places = [(slice(row, row + size), slice(column, column + size)) for row, column in origins]
    crops = [
        normalise(small[place], displayed, spec.normalise, None if mask is None else mask[place]) for place in places
    ]
    return view, np.stack(crops)[:, None]


def working_image(display: NDArray[np.uint16], crops: Crops) -> NDArray[np.uint16]:
    """The image at the pitch of the crops."""
    rows, columns = display.shape
    scale = min(1.0, crops.long_side_px / max(rows, columns))
    scale = max(scale, crops.size_px / min(rows, columns))
    if scale == 1.0:
        return display
    width, height = (min(max(round(side * scale), crops.size_px), MAX_SIDE_PX) for side in (columns, rows))
    return cast("NDArray[np.uint16]", cv2.resize(display, (width, height), interpolation=_interpolation(scale)))


def displayed_range(
    image: NDArray[np.uint16], spec: Normalise, mask: NDArray[np.bool_] | None = None
) -> DisplayedRange:
    """The percentiles between which an image is normalised, and its mean, from a sample of its valid pixels."""
    step = max(1, max(image.shape) // PERCENTILE_SAMPLE_PX)
    sample = image[::step, ::step]
    if mask is not None:
        sample = sample[mask[::step, ::step]]
    if not sample.size:
        return DisplayedRange(0.0, 0.0, 0.0)
    low, high = percentiles(sample, (spec.low_percentile, spec.high_percentile))
    return DisplayedRange(float(low), float(high), float(sample.mean()))


def normalise(
    image: NDArray[np.uint16], displayed: DisplayedRange, spec: Normalise, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Robust normalisation of a whole image; the crops share it, so noise keeps its ratio to the range."""
    span = max(displayed.high - displayed.low, spec.least_range * WHITE)
    scaled = image.astype(np.float32)
    scaled -= np.float32(displayed.low)
    scaled *= np.float32(1.0 / span)
    np.clip(scaled, 0.0, 1.0, out=scaled)
    if mask is not None:
        scaled[~mask] = 0.0
    scaled -= np.float32(spec.mean)
    scaled *= np.float32(1.0 / spec.std)
    return scaled


def global_view(working: NDArray[np.float32], spec: GlobalView) -> NDArray[np.float32]:
    """(1, 1, rows, columns) of the normalised image."""
    scale = max(spec.rows / working.shape[0], spec.columns / working.shape[1])
    small = cv2.resize(working, (spec.columns, spec.rows), interpolation=_interpolation(scale))
    return np.ascontiguousarray(np.asarray(small, np.float32)[None, None])


def crop_origins(shape: tuple[int, ...], spec: Crops) -> list[tuple[int, int]]:
    """(row, column) of the upper left corners, evenly spread from edge to edge."""
    along_rows, along_columns = (_spread(length, spec) for length in shape)
    return [(row, column) for row in along_rows for column in along_columns]


def cut_crops(working: NDArray[np.float32], origins: Sequence[tuple[int, int]], size: int) -> NDArray[np.float32]:
    """(K, 1, size, size) of the normalised image at the given corners."""
    return np.stack([working[None, row : row + size, column : column + size] for row, column in origins])


def _spread(length: int, spec: Crops) -> list[int]:
    count = min(spec.most_per_side, max(1, math.ceil(length / spec.size_px)))
    if count == 1:
        return [(length - spec.size_px) // 2]
    return [int(v) for v in np.rint(np.linspace(0, length - spec.size_px, count))]


def _interpolation(scale: float) -> int:
    return cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
