"""Adds contrast measured on the display to the contrast finding; models see stretched images and cannot judge it.

The limits of ``displayed_defect`` are those of the shipped policy. Of 866 ordinary radiographs from seven sources
(chests of adults and children, limbs) none has a displayed contrast below 13 %, and no chest has more than 3.1 % of its
middle burnt out or crushed.

``unusual_contrast`` is about what is unusual on a chest, and a site's limits of rooms may replace its limits: of 316
ordinary chests of seven sources none is beyond any of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.finding import Finding, FindingName, by_node
from miqa_node.core.domain.instance import Header
from miqa_node.dicom.pixels.regions import is_frontal_chest
from miqa_node.stages.assess.appearance import Appearance

FLAT_LIMIT = 12.0
"""Displayed contrast, % of white, at which the probability of poor contrast is 0.5."""
FLAT_STEEPNESS = 6.0
END_LIMIT = 5.0
"""Burnt-out or crushed share, % of the middle, at which the probability of a defect is 0.5."""
END_STEEPNESS = 3.0
SLIGHT = 0.25
"""Severity at the limits. A quarter of the contrast limit or eight times the share limit is severity 1."""


@dataclass(frozen=True, slots=True)
class UsualLimit:
    """The limit of one number on an ordinary chest, where severity is 0.5; each ``factor`` beyond it adds a quarter."""

    limit: float
    factor: float
    is_least: bool = True
    """Whether smaller numbers are worse."""

    def severity(self, value: float) -> float:
        """Severity in [0.5, 1]; 0 within the limit."""
        excess = self.limit / max(value, 1e-6) if self.is_least else value / self.limit
        return 0.0 if excess < 1.0 else min(1.0, 0.5 + 0.25 * math.log(excess, self.factor))


USUAL_CONTRAST = {
    "displayed_contrast": UsualLimit(15.0, 2.0),
    "grey_levels": UsualLimit(40.0, 2.0),
    "detail": UsualLimit(0.17, 1.4),
    "blockiness": UsualLimit(1.2, 2.0, is_least=False),
}
"""Ordinary chests use 15.3 percent of the grey scale and 43 grey levels (5 bits have 32) at least, the contrast of fine
over coarse structures is 0.18 at least, and steps across the blocks of JPEG are 1.05 at most."""
USUAL_STEEPNESS = 4.0
"""Probability over severity, in logits."""


def with_displayed_contrast(
    findings: tuple[Finding, ...], measurements: Sequence[Measurement], header: Header,
    appearance: Appearance | None = None,
) -> tuple[Finding, ...]:  # fmt: skip
    """The findings, with the one on contrast raised to the displayed defect; unchanged if no model judges contrast."""
    values = {one.name: one.value for one in measurements}
    chest = is_frontal_chest(header)
    probability, severity = displayed_defect(values, chest=chest)
    if chest and (unusual := unusual_contrast(values, appearance)):
        probability = max(probability, 1.0 / (1.0 + math.exp(USUAL_STEEPNESS * (0.5 - unusual))))
        severity = max(severity, unusual)
    return tuple(
        by_node(f, replace(f, probability=max(f.probability, probability), severity=max(f.severity, severity)))
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


def unusual_contrast(values: Mapping[str, float], appearance: Appearance | None) -> float:
    """Severity, from 0.5 to 1, of contrast that no ordinary chest has; 0 if it is ordinary.

    >>> unusual_contrast({"displayed_contrast": 7.5, "blockiness": 0.1}, Appearance(0.2, grey_levels=120.0, detail=0.3))
    0.75
    """
    numbers = dict(values)
    if appearance is not None:
        shown = {"grey_levels": appearance.grey_levels, "detail": appearance.detail}
        numbers |= {name: value for name, value in shown.items() if value is not None}
    return max(
        (limit.severity(numbers[name]) for name, limit in USUAL_CONTRAST.items() if name in numbers), default=0.0
    )


def _probability(excess: float, steepness: float) -> float:
    """Logistic function of the logarithm of value over limit: 0.5 at the limit."""
    return 1.0 / (1.0 + math.pow(excess, -steepness))
