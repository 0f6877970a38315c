"""Percent integral uniformity of the ACR MR phantoms, on slice 7."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.acr import LARGE_MM, MEDIUM_MM, dark_parts, nominal_diameter_mm
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.disc import Spacing
from miqa_phantoms.acr import slice_of

LARGE_CM2 = {LARGE_MM: 200.0, MEDIUM_MM: 160.0}
SMALL_CM2 = 1.0
PARTS = 5
"""A pixel at the edge of the small region counts by so many parts a side."""
NOTCH_PIXELS = 5
"""The notch blurs into so many pixels around it."""


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    answer = slice_of(stack, 7)
    if isinstance(answer, Phrase):
        return measure.none(answer)
    view, seventh = answer
    disc, image = seventh.disc, seventh.image
    area = LARGE_CM2[nominal_diameter_mm(view.protocol)]
    large, small = np.sqrt(100.0 * area / np.pi), np.sqrt(100.0 * SMALL_CM2 / np.pi)
    means = cv2.filter2D(
        image.astype(np.float64), -1, disc_kernel(small, disc.spacing), borderType=cv2.BORDER_REPLICATE
    )
    notch = cv2.dilate(dark_parts(image, disc).astype(np.uint8), np.ones((NOTCH_PIXELS, NOTCH_PIXELS), np.uint8))
    touching = cv2.filter2D(notch.astype(np.float64), -1, disc_kernel(small, disc.spacing)) > 1e-6
    centres = disc.within(image.shape, float(large - small)) & ~touching
    if not centres.any():
        raise ValueError("no circle of 1 cm² fits into the even part of the slice")
    low = np.unravel_index(np.where(centres, means, np.inf).argmin(), means.shape)
    high = np.unravel_index(np.where(centres, means, -np.inf).argmax(), means.shape)
    lowest, highest = float(means[low]), float(means[high])
    if highest + lowest <= 0.0:
        return measure.none(Phrase("The slice has no signal."))
    step = disc.spacing.columns
    circles = [
        (disc.column, disc.row, large / step, ""),
        (float(low[1]), float(low[0]), small / step, "low"),
        (float(high[1]), float(high[0]), small / step, "high"),
    ]
    regions = [
        Region("CIRCLE", (seventh.as_stored((x, y)), seventh.as_stored((x + r, y))), label)
        for x, y, r, label in circles
    ]
    piu = 100.0 * (1.0 - (highest - lowest) / (highest + lowest))
    return (measure.values[0].read(piu, measure.source, seventh.read_on, regions),)


def disc_kernel(radius_mm: float, spacing: Spacing) -> Array:
    """Weights of the pixels in a circle, 1 in all; those at its edge count by their share in it."""
    rows, columns = (int(np.ceil(radius_mm / one)) for one in spacing)
    inner = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    y = (np.arange(-rows, rows + 1)[:, None] + inner).ravel() * spacing.rows
    x = (np.arange(-columns, columns + 1)[:, None] + inner).ravel() * spacing.columns
    inside = np.hypot(y[:, None], x[None, :]) <= radius_mm
    weights = inside.reshape(2 * rows + 1, PARTS, 2 * columns + 1, PARTS).mean(axis=(1, 3))
    return np.asarray(weights / weights.sum(), np.float64)


MEASURE = PhantomMeasure(
    name="piu",
    order=1,
    kinds=ACR_MR,
    values=(
        PhantomQuantity(
            "piu_percent",
            "%",
            Phrase(
                "Percent integral uniformity on slice 7: 100 %, less the difference of the highest and the lowest mean "
                "of 1 cm² as a share of their sum, in a circle of 200 cm² (large phantom) or 160 cm² (medium)."
            ),
        ),
    ),
    formula="100 · (1 − (high − low) / (high + low)) of means over circles of 1 cm² that lie wholly inside",
    source="ACR Large and Medium Phantom Test Guidance for the ACR MRI Accreditation Program, test 5",
    tolerance="2 percentage points",
    run=run,
)
