"""Noise in the air around the patient of a CT series."""

from __future__ import annotations

import numpy as np

from miqa_node.libraries.plain_statistics.robust import TO_SIGMA
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import SliceView, Values
from miqa_series.ct.body import ct_measure, ct_slice, far_air
from miqa_series.stacks.whole import middle


def _deviation(view: SliceView) -> float | None:
    plane, air = view.once(ct_slice), view.once(far_air)
    return None if plane is None or air is None else robust_deviation(plane.image[air])


def robust_deviation(values: Values) -> float:
    """1.4826 times the median absolute deviation: a strap or a hose hardly changes it.

    >>> round(robust_deviation(np.array([-1.0, 0.0, 1.0, 500.0], np.float32)), 3)
    1.483
    """
    return TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


AIR_NOISE = ct_measure(
    name="air_noise",
    unit="[hnsf'U]",
    least_spread=0.2,
    least_spread_share=0.03,
    scale=POSITIVE,
    label="Noise in air",
    summary="Median over slices of the robust standard deviation of air.",
    definition="Median over slices of 1.4826 · median absolute deviation (Rousseeuw and Croux, JASA 88, 1993) of the "
    "air 10 to 80 mm from the skin, without clothes and table.",
    validity="Series with such air in the field. Too small where the scanner cuts values off at −1000 or −1024 HU.",
    tolerance="Within 10 % for white noise of 8 to 40 HU; with whole Hounsfield units in steps of 1.5 HU.",
    agreement_share=0.1,
    proof="White noise of 8 to 40 HU around a drawn body.",
    decimals=1,
    rank=420,
    each=_deviation,
    take=middle,
    along="alone",
)
