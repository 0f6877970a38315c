"""Headers of training samples: exposure indices that fit the dose that was simulated (IEC 62494-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log10

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header
from miqa_node.stages.assess.numbers import USUAL_INDEX
from miqa_node.stages.measure.view import PICTURE_HEADER
from miqa_training.degrade.noise import DOSE_FRACTION
from miqa_training.degrade.physics import at_severity

KNOWN_SHARE, TARGET_SHARE = 0.5, 0.6
"""Share of headers with an exposure index, and of those with a target and a deviation index."""
EXCESS = (2.0, 4.0, 8.0, 16.0)
"""Dose of over-exposed images as a multiple of the intended one."""
SPREAD, WIDE_SPREAD, WIDE_SHARE = 0.25, 0.6, 0.25
"""Standard deviation of the dose of ordinary images in powers of ten, and of those with a target that does not fit.
The second bounds what a network makes of a header: pixels that look well are not called noisy for an index alone."""
TARGETS = 0.4
"""Standard deviation of what manufacturers and sites intend, in powers of ten: some keep scales of their own."""


def dose_header(severities: Mapping[FindingName, float], rng: np.random.Generator) -> Header | None:
    """A header for an image with these simulated defects; None, as often, for one that says nothing of dose."""
    if rng.uniform() >= KNOWN_SHARE:
        return None
    decades = rng.normal(_decades(severities), WIDE_SPREAD if rng.uniform() < WIDE_SHARE else SPREAD)
    target = USUAL_INDEX * 10.0 ** rng.normal(0.0, TARGETS)
    header = replace(PICTURE_HEADER, exposure_index=float(target * 10.0**decades))
    return replace(header, deviation_index=float(10.0 * decades)) if rng.uniform() < TARGET_SHARE else header


def _decades(severities: Mapping[FindingName, float]) -> float:
    """The dose of the simulated defects as a power of ten of the intended one."""
    low = max((severities.get(name, 0.0) for name in (FindingName.NOISE, FindingName.UNDEREXPOSURE)), default=0.0)
    if low:
        return log10(at_severity(low, DOSE_FRACTION, nothing=1.0))
    high = severities.get(FindingName.OVEREXPOSURE_SATURATION, 0.0)
    return log10(at_severity(high, EXCESS, nothing=1.0))
