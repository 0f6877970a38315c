"""Decides on noise by measured grain; a model's head may add to it and cannot overrule it.

The default range is that of ordinary chests of seven sources (docs/explanation/operating-points.md), and for other
parts a share of it; a site's limits of rooms (:mod:`miqa_node.core.domain.site_limit`) replace it, since what is usual
depends on detector and processing.
"""

from __future__ import annotations

import math
from dataclasses import replace

from miqa_node.core.domain.exposure import deviation_index
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import Header
from miqa_node.dicom.pixels.regions import CHEST_PARTS
from miqa_node.stages.assess.appearance import Appearance

USUAL_GRAIN = 0.7
"""Percent of white: grain of an ordinary image. The default policy flags from severity 0.9 on, 3.5 times of it, which
1 of 120 images of the grainiest of seven sources exceeds."""
USUAL_WHITE_GRAIN = 0.2
"""The same for white noise alone, at ``REFERENCE_PITCH_MM``. Structure and processing add none of it."""
REFERENCE_PITCH_MM = 0.8
"""Smaller pixels have more noise each, and the eye averages it: the usual white grain grows with 1 / √pitch."""
OTHER_PARTS_SHARE = 0.6
"""Ordinary images of limbs, pelvis and shoulder have less grain: with this share of the usual grain 2 of 101 images of
four sources reach ``MARKED``, and .57 of those with simulated noise of severity .5 and more (.30 without)."""
MARKED = 2.0
"""Grain over usual grain from which the finding is present: that of a quarter of the dose, severity 0.5."""
STEEPNESS = 1.5
DOSE_WEIGHT = 0.25
"""Power of the dose that shifts the limit: half of what it would do to the noise itself, so that it only supports."""
MOST_DOSE_DB = 6.0


def with_measured_noise(
    findings: tuple[Finding, ...], appearance: Appearance | None, header: Header
) -> tuple[Finding, ...]:
    """The findings, with that on noise raised to the measured grain; unchanged where the grain is usual."""
    excess = 0.0 if appearance is None else grain_excess(appearance, header)
    if excess < MARKED:
        return findings
    return tuple(_raised(one, excess) if one.name == FindingName.NOISE else one for one in findings)


def grain_excess(appearance: Appearance, header: Header) -> float:
    """Grain over usual grain, corrected by the Deviation Index (0018,1413) if there is one; 0 if nothing was measured.

    >>> from miqa_node.stages.measure.view import PICTURE_HEADER
    >>> grain_excess(Appearance(0.8, grain=1.4, white_grain=0.0), PICTURE_HEADER)
    2.0
    """
    if appearance.grain is None or appearance.white_grain is None:
        return 0.0
    finer = math.sqrt(max(1.0, REFERENCE_PITCH_MM / appearance.pitch_mm))
    excess = max(appearance.grain / USUAL_GRAIN, appearance.white_grain / (USUAL_WHITE_GRAIN * finer))
    if header.body_part_examined and header.body_part_examined not in CHEST_PARTS:
        excess /= OTHER_PARTS_SHARE
    index = deviation_index(header)
    if index is None:
        return excess
    dose = 10.0 ** (max(-MOST_DOSE_DB, min(MOST_DOSE_DB, index)) / 10.0)
    return excess * float(dose**-DOSE_WEIGHT)


def severity_of(excess: float) -> float:
    """Severity on the scale of dose: noise grows with the root of 1 / dose, and 1/16 of the dose is severity 1.

    >>> [severity_of(excess) for excess in (1.0, 2.0, 4.0, 8.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    return min(1.0, max(0.0, math.log2(excess) / 2.0)) if excess > 0 else 0.0


def _raised(finding: Finding, excess: float) -> Finding:
    """The finding is present from ``MARKED`` on, whatever operating point its package has."""
    odds = finding.threshold / max(1e-6, 1.0 - finding.threshold)
    odds *= (excess / MARKED) ** STEEPNESS
    probability = odds / (1.0 + odds)
    return replace(
        finding,
        probability=max(finding.probability, finding.threshold, probability),
        severity=max(finding.severity, severity_of(excess)),
    )
