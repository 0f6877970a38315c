"""Decides whether a prediction is automated or waits for a person: quality first, then confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.prediction import PackageRule, PendingCause, PendingReason, Prediction
from miqa_node.core.domain.room import kind_of
from miqa_node.core.domain.rule import ANOMALY
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.phrase import Phrase

OF_THE_ANSWER = frozenset({PendingReason.LOW_CONFIDENCE, PendingReason.NOT_PROVEN})
"""Reasons that lie in a package's answer, not in the image."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The conditions for automating a prediction; a package's rule in the policy overrides the settings."""

    min_confidence: float
    max_percentile: float
    accepted_only: bool = False
    unproven: str = ""
    """What the package's evidence lacks; if not empty, nothing is automated, whatever the confidence."""
    proven_from: float = 0.0
    """The confidence of the predictions whose errors the evidence counted; it says nothing about lower ones."""
    certified: str = ""
    """By which certificate of the site predictions are automated, as a sentence; empty without one."""
    certificate: str = ""
    """The digest of a certificate that covers the image."""
    unusual_from: float | None = None
    """The room's own limit of how unusual images are there, a score; None if it has none."""

    def in_room(self, assessment: Assessment, limits: SiteLimits) -> Routing:
        """The conditions where an image was made: the look of its own room is not unusual there."""
        kind = kind_of(replace(assessment, header=assessment.known_header))
        limit = limits.limit_in_force(ANOMALY, kind)
        return replace(self, unusual_from=None if limit is None else limit.least_strength)

    def of(self, rule: PackageRule) -> Routing:
        """The conditions with the rule's changes."""
        return replace(
            self,
            min_confidence=self.min_confidence if rule.min_confidence is None else rule.min_confidence,
            max_percentile=self.max_percentile if rule.max_percentile is None else rule.max_percentile,
            accepted_only=self.accepted_only if rule.accepted_only is None else rule.accepted_only,
        )


def route(prediction: Prediction, assessment: Assessment, disposition: Disposition, routing: Routing) -> Prediction:
    """The prediction with every reason to wait; ``disposition`` is the one by quality alone.

    A prediction that the package could not make already waits.
    """
    if not prediction.label:
        return prediction
    pending = tuple(
        PendingCause(reason, text)
        for reason, text in (
            (PendingReason.QUALITY_FIRST, _quality(assessment, disposition, routing)),
            (PendingReason.OUT_OF_DISTRIBUTION, _unusual(assessment, routing)),
            (PendingReason.LOW_CONFIDENCE, _unsure(prediction, routing)),
            (PendingReason.NOT_PROVEN, _unproven(prediction, routing)),
        )
        if text
    )
    is_covered = {one.reason for one in pending} <= OF_THE_ANSWER
    return replace(
        prediction,
        pending=pending,
        automated_by="" if pending else routing.certified,
        certificate=routing.certificate if is_covered else "",
    )


def _quality(assessment: Assessment, disposition: Disposition, routing: Routing) -> str:
    gate = assessment.finding(FindingName.GATE)
    if disposition.verdict is Verdict.REJECT:
        return Phrase("The image was rejected for its quality.")
    if disposition.verdict is Verdict.NOT_ASSESSED:
        return Phrase("The quality of the image was not assessed.")
    if gate is not None and gate.present:
        return Phrase("The image is not what the quality model was made for.")
    if routing.accepted_only and disposition.verdict is not Verdict.ACCEPT:
        return Phrase("The quality of the image must be reviewed first.")
    return ""


def _unusual(assessment: Assessment, routing: Routing) -> str:
    anomaly = assessment.anomaly
    if anomaly is None or anomaly.percentile < routing.max_percentile:
        return ""
    if routing.unusual_from is not None and anomaly.score < routing.unusual_from:
        return ""
    return Phrase("{unusual}.", unusual=anomaly.sentence)


def _unproven(prediction: Prediction, routing: Routing) -> str:
    if routing.unproven or not routing.min_confidence <= prediction.confidence < routing.proven_from:
        return routing.unproven
    return Phrase(
        "Not automated. The evidence is for a confidence of {proven_from} and more.",
        proven_from=f"{routing.proven_from:.2f}",
    )


def _unsure(prediction: Prediction, routing: Routing) -> str:
    if prediction.confidence >= routing.min_confidence:
        return ""
    shown = math.floor(100.0 * prediction.confidence + 1e-9) / 100.0  # 0.799 is not "0.80, below 0.80"
    return Phrase(
        "Low confidence: {label} {shown}, below {min_confidence}.",
        label=f"{prediction.label}",
        shown=f"{shown:.2f}",
        min_confidence=f"{routing.min_confidence:.2f}",
    )
