"""The quality score: one number in 0 to 100 that follows the verdict, so that a worse verdict never has a better score.

Within the band of its verdict it falls with what the findings take of the quality, continuously: those below their
operating point count as well, as they are judged, or most good images would have one and the same score
(docs/adr/0023-a-score-that-follows-the-verdict.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.taxonomy.lookup import is_expected

BANDS: Mapping[Verdict, tuple[float, float]] = {
    Verdict.REJECT: (0.0, 29.0),
    Verdict.REVIEW: (30.0, 69.0),
    Verdict.ACCEPT: (70.0, 100.0),
}
"""Lowest and highest score of each verdict. Whole numbers, which pages show, tell verdicts apart, too."""
ROOT = 3.0
"""Strong defects multiply to next to nothing; the root keeps their scores apart."""


def judged(instance: StoredInstance, assessment: Assessment, disposition: Disposition) -> Judgement:
    """The judgement by a disposition, with the score that goes with its verdict: no disposition is set without."""
    return Judgement(instance, with_score(assessment, disposition.verdict), disposition)


def with_score(assessment: Assessment, verdict: Verdict) -> Assessment:
    """The assessment with the score that its verdict allows; None where nothing was judged, or no chest was.

    A judgement of an earlier version, whose reports archives have, keeps the score that it had.
    """
    if not assessment.form:
        return assessment
    band = BANDS.get(verdict)
    if band is None or not assessment.findings or assessment.is_of_another_kind:
        return replace(assessment, score=None)
    low, high = band
    return replace(assessment, score=round(low + (high - low) * quality_left(assessment.findings) ** (1.0 / ROOT), 1))


def quality_left(findings: Iterable[Finding]) -> float:
    """Share of the quality that all defects leave, by probability and severity; the gate and devices take nothing."""
    defects = (one for one in findings if one.name != FindingName.GATE and not is_expected(one.name))
    return math.prod(1.0 - one.strength for one in defects)
