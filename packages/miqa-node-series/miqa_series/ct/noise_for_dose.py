"""Noise of a CT series for the dose that its header states: what the dose does not explain was added on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SeriesView
from miqa_series.ct.body import ct_measure
from miqa_series.ct.normalised_noise import (
    USUAL_DIAMETER_MM,
    USUAL_TRANSFER,
    NoiseConditions,
    NoisePart,
    noise_conditions,
    noise_part,
)

USUAL_MAS, USUAL_KV = 100.0, 120.0
KV_POWER = 2.5
"""Dose per mAs grows with about this power of the voltage."""
PER_MM = 0.0095
"""Half the linear attenuation of water at 70 keV, the mean energy of 120 kV.

The bowtie filter gives the middle of a large body more dose, and most tissue lies beside it.
"""


def for_dose(conditions: NoiseConditions, mas: float, tube_kv: float) -> float:
    """Noise as it would be in slices of 1 mm, with .3 /mm at the skin, behind 250 mm of water, with 100 mAs at 120 kV.

    >>> round(for_dose(NoiseConditions(10.0, 4.0, 0.3, 250.0), 100.0, 120.0))
    20
    >>> round(for_dose(NoiseConditions(10.0, 4.0, 0.3, 250.0), 400.0, 120.0))
    40
    """
    noise, thickness_mm, transfer, diameter_mm = conditions
    dose = mas / USUAL_MAS * (tube_kv / USUAL_KV) ** KV_POWER
    attenuation = np.exp(-PER_MM / 2.0 * (diameter_mm - USUAL_DIAMETER_MM))
    return float(noise * np.sqrt(thickness_mm * dose) * (USUAL_TRANSFER / transfer) ** 1.5 * attenuation)


def _noise(series: SeriesView, parts: Sequence[NoisePart]) -> float | None:
    conditions = noise_conditions(series, parts)
    mas = [one.rotation_mas for one in series.slices if one.rotation_mas]
    tube_kv = next((one.tube_kv for one in series.slices if one.tube_kv), None)
    if conditions is None or not mas or tube_kv is None:
        return None
    return for_dose(conditions, float(np.median(mas)), tube_kv)


NOISE_FOR_DOSE = ct_measure(
    name="noise_for_dose",
    unit="[hnsf'U]",
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Noise for dose",
    summary="Noise in soft tissue, converted to slices of 1 mm, a standard kernel, 250 mm of water and 100 mAs.",
    definition="`ct_noise` · √(Slice Thickness / 1 mm · mAs / 100 · (KVP / 120)^2.5) · (0.3 / `skin_mtf_50`)^1.5 · "
    "exp(−0.00475/mm · (water-equivalent diameter − 250 mm)), after the law of Brooks and Di Chiro (Med Phys 3, 1976: "
    "σ² ∝ exp(μ d) / (w³ h D)) with half of the attenuation μ of water, because of the bowtie filter. mAs is Exposure "
    "(0018,1152) or X-Ray Tube Current × Exposure Time, the larger one if the time is at most 4 s; not "
    "taken where Exposure is more than twice the product. A low dose does not "
    "raise it.",
    validity="As `normalised_noise`, with mAs and kV in the header. Iterative reconstruction lowers it.",
    tolerance="Five real scanners agree within 25 to 32 HU, from 5 mm of a head with 460 mAs to 1 mm with 150. "
    "Repeated with other noise within 8 %.",
    agreement_share=0.02,
    proof="Its formula, from `ct_noise`, `skin_mtf_50`, thickness and dose of the header, and the area that was drawn.",
    decimals=0,
    rank=406,
    each=noise_part,
    take=_noise,
    concern="There is more noise than the stated dose explains: a weak detector, a wrong entry in the header, or "
    "images that were changed after the scan. Compare with other series of the scanner.",
)
