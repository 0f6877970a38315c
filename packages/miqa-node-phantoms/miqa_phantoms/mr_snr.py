"""Signal-to-noise ratio of plain MR phantoms: of one image by smoothing, and of two by their difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, SliceRead
from miqa_phantoms.mr_object import NO_OBJECT, mr_object_of
from miqa_phantoms.snr import (
    NO_NOISE,
    NO_PROTOCOL,
    five_squares,
    mean_ratio,
    normalising_factor,
    smoothed,
)

FILTER = 9
"""Side in pixels of the square whose mean is subtracted, as for head coils (McCann)."""
NO_REPEAT = Phrase("The series has no second scan of the same slices: send both scans as one series.")
TOO_SMALL = Phrase("The phantom is smaller than the regions in which its noise is read.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    body = mr_object_of(stack)
    if body is None:
        return measure.none(NO_OBJECT)
    squares = five_squares(body.column, body.row, stack.spacing_mm)
    if not all(
        body.inside[one.rows, one.columns].all() and one.rows.start >= 0 <= one.columns.start for one in squares
    ):
        return measure.none(TOO_SMALL)
    image = body.image.astype(np.float64)
    read_on = stack.read_on(body.place)
    regions = [Region("POLYLINE", tuple(one.outline)) for one in squares]
    factor = normalising_factor(stack.slices[body.place])
    values = [*_pair(measure, 0, mean_ratio(image, image - smoothed(image, FILTER), squares), factor, read_on, regions)]
    if stack.repeat is None:
        return (*values, *(one.missing(measure.source, NO_REPEAT) for one in measure.values[2:]))
    difference = (image - stack.repeat.images[body.place]) / np.sqrt(2.0)
    return (*values, *_pair(measure, 2, mean_ratio(image, difference, squares), factor, read_on, regions))


def _pair(
    measure: PhantomMeasure,
    first: int,
    ratio: float | None,
    factor: float | None,
    read_on: SliceRead,
    regions: Sequence[Region],
) -> list[PhantomValue]:
    """The ratio as measured and normalised, or why there is none."""
    measured, normalised = measure.values[first : first + 2]
    if ratio is None:
        return [one.missing(measure.source, NO_NOISE, read_on) for one in (measured, normalised)]
    return [
        measured.read(ratio, measure.source, read_on, regions),
        normalised.missing(measure.source, NO_PROTOCOL, read_on)
        if factor is None
        else normalised.read(ratio * factor, measure.source, read_on, regions),
    ]


MEASURE = PhantomMeasure(
    name="mr_snr",
    order=20,
    kinds=frozenset({PhantomKind.MR_UNIFORM}),
    values=(
        PhantomQuantity(
            "snr_smoothing.measured",
            "1",
            Phrase(
                "Signal-to-noise ratio of one image: the mean over five squares of the signal over the standard "
                "deviation of what remains when the mean of 9 × 9 pixels is subtracted."
            ),
        ),
        PhantomQuantity(
            "normalised_snr_smoothing",
            "1",
            Phrase(
                "The signal-to-noise ratio of one image, converted to a bandwidth of 30 kHz, a voxel of 1 ml and a "
                "scan time of 1 s."
            ),
        ),
        PhantomQuantity(
            "snr_subtraction.measured",
            "1",
            Phrase(
                "Signal-to-noise ratio of two images: the mean over five squares of the signal over the standard "
                "deviation of their difference, times the square root of 2."
            ),
        ),
        PhantomQuantity(
            "normalised_snr_subtraction",
            "1",
            Phrase(
                "The signal-to-noise ratio of two images, converted to a bandwidth of 30 kHz, a voxel of 1 ml and a "
                "scan time of 1 s."
            ),
        ),
    ),
    formula=(
        "mean of (mean / SD of the noise image) over five squares of 19.5 mm (20 pixels of 250 mm / 256); the noise "
        "image is the image − mean of 9 × 9 pixels, or the difference of two scans / √2"
    ),
    source=(
        "McCann, Workman, McGrath, Phys. Med. Biol. 58 (2013) 3775, as hazen 2.0.0 quotes it in snr.py; the difference "
        "of two scans is also the first method of NEMA MS 1, which was not open to us"
    ),
    tolerance="5 %",
    run=run,
)
