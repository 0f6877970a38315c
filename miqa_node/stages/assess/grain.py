"""Decides on noise by measured grain; a model's head may add to it and cannot overrule it.

The default range is that of ordinary chests of seven sources (docs/explanation/quality.md), and for other parts a share
of it; a site's limits of rooms (:mod:`miqa_node.core.domain.site_limit`) replace it, since what is usual depends on
detector and processing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from miqa_node.core.domain.exposure import deviation_index
from miqa_node.core.domain.finding import Finding, FindingName, by_node
from miqa_node.core.domain.instance import Header
from miqa_node.dicom.pixels.regions import CHEST_PARTS
from miqa_node.stages.assess.appearance import Appearance

USUAL_GRAIN = 1.22
"""Percent of white: so much is ordinary at the grainiest of seven sources, and twice as much nowhere: 1 of its 82
usable images has it."""
USUAL_WHITE_GRAIN = 0.3
"""The same for white noise alone, at ``REFERENCE_PITCH_MM``. Structure and processing add none of it."""
USUAL_QUANTUM_GRAIN = 0.5
"""The same for noise that grows where few quanta arrive; most ordinary images have none of it."""
REFERENCE_PITCH_MM = 0.8
"""Smaller pixels have more noise each, and the eye averages it: the usual white grain grows with 1 / √pitch."""
OTHER_PARTS_GRAIN, OTHER_PARTS_WHITE_GRAIN = 0.42, 0.12
"""Ordinary images of limbs, pelvis and shoulder have less grain: from twice of this on 2 of 101 images of four sources
are noisy, and .57 of those with simulated noise of severity .5 and more (.30 with the limits of chests then). Their
quantum grain has no figures, so it does not count."""
ROUGH_GRAIN = 1.1
"""Percent of white: from here on heads take the texture of processing for noise, so the measurement alone decides."""
SLIGHT, SURE = 0.25, 0.85
"""Share of a head's severity that counts on a rough chest, and the probability from which it is believed of others."""
MARKED = 2.0
"""Grain over usual grain from which the finding is present: that of a quarter of the dose, severity 0.5."""
STEEPNESS = 1.5
DOSE_WEIGHT = 0.25
"""Power of the dose that shifts the limit: half of what it would do to the noise itself, so that it only supports."""
MOST_DOSE_DB = 6.0


def with_measured_noise(
    findings: tuple[Finding, ...], appearance: Appearance | None, header: Header, *, for_chests: bool = True
) -> tuple[Finding, ...]:
    """The findings, with that on noise as the measurement makes it: raised where there is more grain than usual.

    Where there is not, a head that is sure of a smooth chest is believed. On a rough one it can give a slight degree,
    which a room's own limit can tell from that of its other images. ``for_chests``: whether the package that judges is
    one for chests; an image whose header names no part is then taken for one.
    """
    if appearance is None or appearance.grain is None:
        return findings
    excess = grain_excess(appearance, header, for_chests=for_chests)
    rough = appearance.grain >= ROUGH_GRAIN
    if excess >= MARKED:
        return _with_noise(findings, lambda one: _raised(one, excess))
    if not _is_chest(header, for_chests):
        return findings
    return _with_noise(findings, _slight if rough else _believed)


def _with_noise(findings: tuple[Finding, ...], changed: Callable[[Finding], Finding]) -> tuple[Finding, ...]:
    """``changed`` decides on noise by what the node measured, so the node is named where it made a difference."""
    return tuple(by_node(one, changed(one)) if one.name == FindingName.NOISE else one for one in findings)


def _slight(finding: Finding) -> Finding:
    return replace(finding, severity=SLIGHT * finding.severity)


def _believed(finding: Finding) -> Finding:
    probability = max(finding.probability, finding.threshold) if finding.probability >= SURE else finding.probability
    return replace(finding, probability=probability)


def _is_chest(header: Header, for_chests: bool) -> bool:
    """By the header; where that names no part, by the package that judges: other parts come to one of their own."""
    return header.body_part_examined in CHEST_PARTS or (for_chests and not header.body_part_examined)


def grain_excess(appearance: Appearance, header: Header, *, for_chests: bool = True) -> float:
    """Grain over usual grain, corrected by the Deviation Index (0018,1413) if there is one; 0 if nothing was measured.

    >>> from miqa_node.stages.measure.view import PICTURE_HEADER
    >>> grain_excess(Appearance(0.8, grain=2.44, white_grain=0.0), PICTURE_HEADER)
    2.0
    """
    if appearance.grain is None or appearance.white_grain is None:
        return 0.0
    white = appearance.white_grain / math.sqrt(max(1.0, REFERENCE_PITCH_MM / appearance.pitch_mm))
    if _is_chest(header, for_chests):
        quantum = (appearance.quantum_grain or 0.0) / USUAL_QUANTUM_GRAIN
        excess = max(appearance.grain / USUAL_GRAIN, white / USUAL_WHITE_GRAIN, quantum)
    else:
        excess = max(appearance.grain / OTHER_PARTS_GRAIN, white / OTHER_PARTS_WHITE_GRAIN)
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
