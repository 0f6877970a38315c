"""Adds contrast measured on the display to the contrast finding; models see stretched images and cannot judge it.

The limits are those of the shipped policy. Of 866 ordinary radiographs from seven sources (chests of adults and
children, limbs) none has a displayed contrast below 13 %, and no chest has more than 3.1 % of its middle burnt out or
crushed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from miqa_node.domain.assessment import Measurement
from miqa_node.domain.finding import Finding, FindingName
from miqa_node.domain.instance import Header
from miqa_node.imaging.regions import is_frontal_chest

FLAT_LIMIT = 12.0
"""Displayed contrast, % of white, at which the probability of poor contrast is 0.5."""
FLAT_STEEPNESS = 6.0
END_LIMIT = 5.0
"""Burnt-out or crushed share, % of the middle, at which the probability of a defect is 0.5."""
END_STEEPNESS = 3.0
SLIGHT = 0.25
"""Severity at the limits. A quarter of the contrast limit or eight times the share limit is severity 1."""


def with_displayed_contrast(
    findings: tuple[Finding, ...], measurements: Sequence[Measurement], header: Header
) -> tuple[Finding, ...]:
    """The findings, with the one on contrast raised to the displayed defect; unchanged if no model judges contrast."""
    values = {one.name: one.value for one in measurements}
    probability, severity = displayed_defect(values, chest=is_frontal_chest(header))
    return tuple(
        replace(f, probability=max(f.probability, probability), severity=max(f.severity, severity))
        if f.name == FindingName.CONTRAST_PROCESSING
        else f
        for f in findings
    )


def displayed_defect(values: dict[str, float], *, chest: bool = True) -> tuple[float, float]:
    """Probability and severity, in [0, 1], of poor contrast on the display; 0 if nothing was measured.

    The air beside a limb is rightly black, so crushed pixels count for chests only.

    >>> [round(number, 2) for number in displayed_defect({"displayed_contrast": 1.7})]
    [1.0, 1.0]
    >>> [round(number, 2) for number in displayed_defect({"displayed_contrast": 40.0, "burnt_out_share": 0.1})]
    [0.0, 0.0]
    """
    defects = [(0.0, 0.0)]
    if (contrast := values.get("displayed_contrast")) is not None:
        excess = FLAT_LIMIT / max(contrast, 1e-3)
        defects.append((_probability(excess, FLAT_STEEPNESS), SLIGHT + (1.0 - SLIGHT) * math.log(excess, 4.0)))
    for name in ("burnt_out_share", *(("crushed_dark_share",) if chest else ())):
        excess = max(values.get(name, 0.0), 1e-3) / END_LIMIT
        defects.append((_probability(excess, END_STEEPNESS), SLIGHT + (1.0 - SLIGHT) * math.log(excess, 8.0)))
    worst = max(defects)
    return worst[0], min(1.0, max(0.0, worst[1]))


def _probability(excess: float, steepness: float) -> float:
    """Logistic function of the logarithm of value over limit: 0.5 at the limit."""
    return 1.0 / (1.0 + math.pow(excess, -steepness))
