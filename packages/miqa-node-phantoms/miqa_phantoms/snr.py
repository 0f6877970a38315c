"""Signal-to-noise ratio of one image by smoothing, on slice 7 of the ACR MR phantoms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Point
from miqa_node.libraries.phantom_shapes.acr import LARGE_MM, MEDIUM_MM, nominal_diameter_mm
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.stages.assess.phantom_words import header_number, header_texts
from miqa_node.stages.measure.slices import Slice
from miqa_phantoms.acr import slice_of

FILTERS = {LARGE_MM: 25, MEDIUM_MM: 9}
"""Side in pixels of the square whose mean is subtracted: both are in use, and a ratio has a sense only with its own."""
PIXEL_MM = 250.0 / 256.0
"""Of the scan for which the squares are defined in pixels: here they go with the phantom, whatever is around it."""
SIDE_MM = 20 * PIXEL_MM
OFF_MM = 40 * PIXEL_MM
"""Centres of the outer regions from that of the phantom, along each axis."""
_KEYWORDS = ("PixelBandwidth", "RepetitionTime", "NumberOfAverages", "AcquisitionMatrix")
NO_NOISE = Phrase("A region has no noise: its pixels are all equal.")
NO_PROTOCOL = Phrase("The header lacks pixel bandwidth, repetition time, spacing or slice thickness.")


class SnrSquare(NamedTuple):
    """Pixels of a region."""

    rows: slice
    columns: slice

    @property
    def outline(self) -> list[Point]:
        """Its corners, as column and row; the first again at the end."""
        left, top, end, bottom = self.columns.start, self.rows.start, self.columns.stop, self.rows.stop
        return [(left, top), (end, top), (end, bottom), (left, bottom), (left, top)]


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    answer = slice_of(stack, 7)
    if isinstance(answer, Phrase):
        return measure.none(answer)
    view, seventh = answer
    image = seventh.image.astype(np.float64)
    disc = seventh.disc
    squares = five_squares(disc.column, disc.row, disc.spacing)
    noise = image - smoothed(image, FILTERS[nominal_diameter_mm(view.protocol)])
    snr = mean_ratio(image, noise, squares)
    if snr is None:
        return measure.none(NO_NOISE)
    regions = [seventh.line(*one.outline) for one in squares]
    measured, normalised = measure.values
    factor = normalising_factor(stack.slices[view.protocol.places[7]])
    return (
        measured.read(snr, measure.source, seventh.read_on, regions),
        normalised.missing(measure.source, NO_PROTOCOL, seventh.read_on)
        if factor is None
        else normalised.read(snr * factor, measure.source, seventh.read_on, regions),
    )


def smoothed(image: Array, side: int) -> Array:
    """The mean of a square around each pixel."""
    return np.asarray(cv2.blur(image, (side, side), borderType=cv2.BORDER_CONSTANT), np.float64)


def mean_ratio(image: Array, noise: Array, squares: Sequence[SnrSquare]) -> float | None:
    """Mean over the squares of the image's mean over the standard deviation of the noise; None without noise."""
    spreads = [float(noise[one.rows, one.columns].std(ddof=1)) for one in squares]
    if min(spreads) <= 0.0:
        return None
    means = [float(image[one.rows, one.columns].mean()) for one in squares]
    return float(np.mean([mean / spread for mean, spread in zip(means, spreads, strict=True)]))


def five_squares(middle_column: float, middle_row: float, spacing_mm: tuple[float, float]) -> list[SnrSquare]:
    """The five regions around the middle of a phantom; ``spacing_mm`` is between rows and between columns."""
    (high, wide), (off_rows, off_columns) = (
        [round(length / step) for step in spacing_mm] for length in (SIDE_MM / 2.0, OFF_MM)
    )
    squares = []
    for right, down in ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
        column, row = round(middle_column) + right * off_columns, round(middle_row) + down * off_rows
        squares.append(SnrSquare(slice(row - high, row + high), slice(column - wide, column + wide)))
    return squares


def normalising_factor(one: Slice) -> float | None:
    """For a bandwidth of 30 kHz, 1 ml and 1 s; None where the header lacks what it takes."""
    texts = header_texts(one.path, _KEYWORDS)
    bandwidth, repetition_ms, averages = (header_number(texts, keyword) for keyword in _KEYWORDS[:3])
    if not bandwidth or not repetition_ms or one.spacing_mm is None or not one.thickness_mm:
        return None
    samples, lines = _acquired(texts["AcquisitionMatrix"]) or (one.columns, one.rows)
    half_band_khz = bandwidth * samples / 2.0 / 1000.0
    voxel_ml = 0.001 * one.spacing_mm[0] * one.spacing_mm[1] * one.thickness_mm
    time_s = (averages or 1.0) * lines * repetition_ms / 1000.0
    return float(np.sqrt(half_band_khz / 30.0) / voxel_ml / np.sqrt(time_s))


def _acquired(matrix: str) -> tuple[int, int] | None:
    """Samples along the frequency and lines along the phase encoding, of *Acquisition Matrix*.

    Zeros around the image are none of them.

    >>> _acquired("[0, 256, 192, 0]"), _acquired("[256, 0, 0, 192]"), _acquired("")
    ((256, 192), (256, 192), None)
    """
    numbers = [int(one) for one in re.findall(r"\d+", matrix)]
    samples, lines = sum(numbers[:2]), sum(numbers[2:])
    return (samples, lines) if len(numbers) == 4 and samples and lines else None


_SOURCE = (
    "McCann, Workman, McGrath: A quick and robust method for measurement of signal-to-noise ratio in MRI, "
    "Phys. Med. Biol. 58 (2013) 3775; normalised as in IPEM Report 112"
)
MEASURE = PhantomMeasure(
    name="snr_smoothing",
    order=3,
    kinds=ACR_MR,
    values=(
        PhantomQuantity(
            "snr_smoothing.measured",
            "1",
            Phrase(
                "Signal-to-noise ratio on slice 7: the mean over five squares of the signal over the standard "
                "deviation of what remains when the mean of 25 × 25 pixels (medium phantom: 9 × 9) is subtracted."
            ),
        ),
        PhantomQuantity(
            "snr_smoothing.normalised",
            "1",
            Phrase(
                "The signal-to-noise ratio on slice 7, converted to a bandwidth of 30 kHz, a voxel of 1 ml and a "
                "scan time of 1 s."
            ),
        ),
    ),
    formula=(
        "mean of (mean / SD of image − mean of 25 × 25 pixels) over five squares of 19.5 mm (20 pixels of 250 mm / "
        "256); 9 × 9 for the medium phantom, as its users do"
    ),
    source=_SOURCE,
    tolerance="5 %",
    run=run,
)
