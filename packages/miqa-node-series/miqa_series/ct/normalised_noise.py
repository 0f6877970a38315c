"""Noise of a CT series for its slice thickness, its sharpness and the size of the patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_series.ct.body import ct_measure, ct_slice, outline
from miqa_series.ct.noise import Counts, histogram_of, most_frequent
from miqa_series.ct.noise_whiteness import whiteness
from miqa_series.ct.skin_mtf import EdgeSpread, edge_spread, half_transfer
from miqa_series.ct.truncation import field_cut
from miqa_series.stacks.whole import is_sampled

USUAL_TRANSFER = 0.3
"""In 1/mm: of a standard kernel, which is assumed where the skin shows none."""
LEAST_TRANSFER = 0.2
"""In 1/mm: no kernel is softer; skin that runs obliquely through the slices, as at the vertex, looks so."""
USUAL_DIAMETER_MM = 250.0
MAX_CUT = 10.0
"""A body that more than this share (%) of the field's edge cuts has no known diameter."""
MAX_WHITENESS = 50.0
"""In percent: noise with more of it between neighbouring pixels is that of a sharp kernel, if the skin shows none."""


class NoisePart(NamedTuple):
    """Noise, texture and sharpness of a slice, and its water-equivalent diameter in mm.

    Texture is None and the diameter 0 if the slice was not sampled; so is the diameter of a body that the field cuts.
    """

    noise: Counts | None
    whiteness: float | None
    edge: EdgeSpread | None
    diameter_mm: float


class NoiseConditions(NamedTuple):
    """Noise in soft tissue, and its other causes than the dose."""

    noise_hu: float
    thickness_mm: float
    transfer: float
    diameter_mm: float


def noise_part(view: SliceView) -> NoisePart | None:
    """None without a body."""
    return view.once(_part)


def _part(view: SliceView) -> NoisePart | None:
    plane, noise = view.once(ct_slice), histogram_of(view)
    if plane is None or noise is None:
        return None
    diameter = 0.0
    cut = view.once(field_cut) if is_sampled(view) else None
    if cut is not None and cut.share <= MAX_CUT:
        inside = view.once(outline) > 0
        diameter = water_diameter_mm(float((plane.image[inside] + 1000.0).sum()), plane.spacing_mm)
    return NoisePart(noise, whiteness(view), edge_spread(view), diameter)


def water_diameter_mm(attenuation: float, spacing_mm: float) -> float:
    """2 √(A (mean/1000 + 1) / π) of AAPM Report 220; ``attenuation`` is the sum of HU + 1000 over the body.

    >>> round(water_diameter_mm(1000.0 * np.pi * 100.0**2, 1.0))
    200
    """
    return 2.0 * float(np.sqrt(max(attenuation, 0.0) / 1000.0 * spacing_mm**2 / np.pi))


def normalised(noise_hu: float, thickness_mm: float, transfer: float, diameter_mm: float) -> float:
    """Noise as it would be in slices of 1 mm, with .3 /mm at the skin, in a patient of 250 mm of water.

    >>> round(normalised(10.0, 4.0, 0.3, 250.0)), round(normalised(10.0, 1.0, 0.6, 250.0), 1)
    (20, 3.5)
    """
    sharpness = (USUAL_TRANSFER / transfer) ** 1.5
    return float(noise_hu * np.sqrt(thickness_mm) * sharpness * USUAL_DIAMETER_MM / diameter_mm)


def noise_conditions(series: SeriesView, parts: Sequence[NoisePart]) -> NoiseConditions | None:
    """None where one of them is unknown; a standard kernel is assumed if only the skin shows no sharpness."""
    noise = most_frequent([one.noise for one in parts if one.noise is not None])
    thickness = next((one.thickness_mm for one in series.slices if one.thickness_mm), None)
    diameters = [one.diameter_mm for one in parts if one.diameter_mm > 0.0]
    if noise is None or thickness is None or not diameters:
        return None
    transfer = half_transfer([one.edge for one in parts if one.edge is not None])
    if transfer is None or transfer < LEAST_TRANSFER:
        transfer = USUAL_TRANSFER
        texture = [one.whiteness for one in parts if one.whiteness is not None]
        if not texture or float(np.median(texture)) > MAX_WHITENESS:
            return None
    return NoiseConditions(noise, thickness, transfer, float(np.median(diameters)))


def _noise(series: SeriesView, parts: Sequence[NoisePart]) -> float | None:
    conditions = noise_conditions(series, parts)
    return None if conditions is None else normalised(*conditions)


NORMALISED_NOISE = ct_measure(
    name="normalised_noise",
    unit="[hnsf'U]",
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Noise for slice, sharpness and size",
    summary="Noise in soft tissue, converted to slices of 1 mm, a standard kernel and a patient of 250 mm of water.",
    definition="`ct_noise` · √(Slice Thickness / 1 mm) · (0.3 / `skin_mtf_50`)^1.5 · 250 mm / water-equivalent "
    "diameter (AAPM Report 220). The first two factors are those of Brooks and Di Chiro (Med Phys 3, 1976: σ² ∝ 1 / "
    "(w³ h D)); the last is our own: scanners raise the dose with the size of the patient, but less than noise would "
    "need. Without `skin_mtf_50` of .2 or more a standard kernel is assumed.",
    validity="Series with a slice thickness and the whole body in the field. Without `skin_mtf_50` of .2 or more it is "
    "left out if `noise_whiteness` would exceed 50 %, as with sharp kernels.",
    tolerance="Six real scanners agree within 13 to 17 HU, and 26 with thin slices of a low dose; how much of that is "
    "error is not known. Repeated with other noise within 8 %.",
    agreement_share=0.02,
    proof="Its formula, from `ct_noise`, `skin_mtf_50`, the thickness and the area that was drawn.",
    decimals=0,
    rank=401,
    each=noise_part,
    take=_noise,
    concern="So much noise for slices so thick and so smooth hides low-contrast lesions: the dose was too low for "
    "this body.",
)
