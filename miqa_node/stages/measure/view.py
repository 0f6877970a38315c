"""A decoded image as measurements use it: the part that is not padding, on the scales that they need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.memory import Memory
from miqa_node.dicom.pixels.histogram import Counts, displayed_counts, stored_counts
from miqa_node.dicom.pixels.reduction import reduced

WHITE = 65535.0
LEVELS = 255.0
"""Published sharpness formulas refer to 8-bit images; ``levels`` has that scale in float32."""


PICTURE_HEADER = Header(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
    sop_instance_uid=SopInstanceUid("2.25.1"),
    series_instance_uid=SeriesInstanceUid("2.25.2"),
    study_instance_uid=StudyInstanceUid("2.25.3"),
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    modality="DX",
    body_part_examined="CHEST",
    view_position="PA",
)
"""Header for pictures without one, such as goldens and training images: a frontal chest without spacing."""


class ImageView(Memory):
    """The bounding box of the valid pixels at native resolution, with its header.

    ``display`` is uint16 (0 black, 65,535 white), ``stored`` float32 stored values, both (rows, columns);
    ``mask`` is uint8, 255 where valid, None if every pixel of the box is valid. ``corner`` is the (row, column) of the
    whole frame at which the box begins.
    """

    def __init__(self, radiograph: Radiograph, header: Header) -> None:
        super().__init__()
        box = _bounding_box(radiograph.valid, radiograph.shape)
        self.header = header
        self.spacing_mm = radiograph.spacing_mm
        self.stored_range = radiograph.stored_range
        self.radiograph = radiograph
        self.display = np.ascontiguousarray(radiograph.display[box])
        self.stored_values = np.ascontiguousarray(radiograph.stored[box])
        self.mask = _mask(radiograph.valid, box)
        self.corner = (radiograph.corner[0] + box[0].start, radiograph.corner[1] + box[1].start)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the box."""
        rows, columns = self.display.shape
        return int(rows), int(columns)

    @cached_property
    def pixels(self) -> int:
        """How many pixels are valid."""
        return self.display.size if self.mask is None else int(cv2.countNonZero(self.mask))

    @cached_property
    def statistics(self) -> StoredStatistics:
        """Order statistics of the valid stored values."""
        return _statistics(self)

    @property
    def varies(self) -> bool:
        """Whether the valid pixels have different stored values."""
        return self.pixels > 0 and self.statistics.highest > self.statistics.lowest

    @cached_property
    def stored(self) -> NDArray[np.float32]:
        """Stored values as float32; the mean replaces invalid ones, so they add nothing to the spectrum."""
        return self.stored_part(slice(None))

    def stored_part(
        self, part: slice | NDArray[np.intp] | tuple[slice, slice], columns: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """A part of ``stored``, or some ``columns`` of it, without computing all of it."""
        stored, mask = self.stored_values[part], None if self.mask is None else self.mask[part]
        if columns is not None:
            stored, mask = stored.take(columns, axis=1), None if mask is None else mask.take(columns, axis=1)
        values = stored.astype(np.float32)
        if mask is not None:
            values[mask == 0] = self._stored_mean
        return values

    @cached_property
    def _stored_mean(self) -> float:
        return float(cv2.mean(self.stored_values.astype(np.float32, copy=False), self.mask)[0])

    @cached_property
    def levels(self) -> NDArray[np.float32]:
        """Presentation values as float32 in [0, 255]."""
        return np.multiply(self.display, np.float32(LEVELS / WHITE), dtype=np.float32)

    @cached_property
    def inner_mask(self) -> NDArray[np.uint8] | None:
        """The mask without its two outermost pixels, where 3 × 3 filters would see padding."""
        if self.mask is None:
            return None
        return np.asarray(cv2.erode(self.mask, np.ones((5, 5), np.uint8), borderValue=255), dtype=np.uint8)

    @cached_property
    def display_histogram(self) -> Counts:
        """Counts of the 65,536 presentation values of valid pixels."""
        return self.radiograph.once(displayed_counts)

    @cached_property
    def overview(self) -> NDArray[np.float32]:
        """The image at no more than 256 pixels a side, area-averaged, levels in [0, 255]."""
        rows, columns = self.shape
        scale = max(1.0, max(rows, columns) / 256)
        return reduced(self.levels, max(1, round(rows / scale)), max(1, round(columns / scale)))


@dataclass(frozen=True, slots=True)
class StoredStatistics:
    """Order statistics of the valid stored values."""

    lowest: float
    highest: float
    share_lowest: float
    share_highest: float
    p1: float
    p99: float


def view_of(display: NDArray[np.uint16]) -> ImageView:
    """View of a picture of presentation values, (rows, columns), 0 black and 65,535 white, without a header."""
    return ImageView(Radiograph(display, display, (0, 65535), None), PICTURE_HEADER)


def _statistics(view: ImageView) -> StoredStatistics:
    """Exact for up to 16 bits; deeper images are sorted."""
    stored = view.stored_values
    if stored.dtype.itemsize > 2:
        values = np.sort(stored[view.mask > 0] if view.mask is not None else stored.ravel())
        p1, p99 = np.quantile(values, (0.01, 0.99))
        low, high = values[0], values[-1]
        shares = (np.searchsorted(values, low, "right"), len(values) - np.searchsorted(values, high, "left"))
        return StoredStatistics(
            float(low), float(high), shares[0] / len(values), shares[1] / len(values), float(p1), float(p99)
        )
    offset = int(np.iinfo(stored.dtype).min)
    counts = np.roll(view.radiograph.once(stored_counts), -offset)  # the lowest value first
    used = np.flatnonzero(counts)
    total = counts.sum()
    cumulated = np.cumsum(counts) / total
    p1, p99 = np.searchsorted(cumulated, (0.01, 0.99))
    return StoredStatistics(
        lowest=float(used[0] + offset),
        highest=float(used[-1] + offset),
        share_lowest=float(counts[used[0]] / total),
        share_highest=float(counts[used[-1]] / total),
        p1=float(p1 + offset),
        p99=float(p99 + offset),
    )


def _bounding_box(valid: NDArray[np.bool_] | None, shape: tuple[int, int]) -> tuple[slice, slice]:
    if valid is None or valid.all():
        return slice(0, shape[0]), slice(0, shape[1])
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _mask(valid: NDArray[np.bool_] | None, box: tuple[slice, slice]) -> NDArray[np.uint8] | None:
    if valid is None or valid[box].all():
        return None
    return np.where(valid[box], np.uint8(255), np.uint8(0))
