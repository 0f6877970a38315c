"""What a classification package says of an image beside its quality, and whether a person must look at that first.

Every prediction is decision support, not diagnosis: it never changes the quality verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.domain.codes import Code

DECISION_SUPPORT = "decision support, not diagnosis"
"""Stands beside every prediction, wherever people or programs read it."""


class PredictionStatus(StrEnum):
    """Whether a prediction is automated or waits for a person."""

    AUTOMATED = "automated"
    PENDING_REVIEW = "pending_review"


class PendingReason(StrEnum):
    """Why a prediction waits; these are the names of the reasons on the worklist."""

    LOW_CONFIDENCE = "low_confidence"
    QUALITY_FIRST = "quality_first"
    """The image was rejected or not assessed for its quality, so nothing read from it is automated."""
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    """The image is more unusual than the site lets pass."""
    NOT_PROVEN = "not_proven"
    """Nothing shows that confident answers are wrong seldom enough."""
    NOT_JUDGED = "not_judged"
    """The package could not say anything: out of its scope, or it could not be run."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One reason why a prediction waits, with a sentence for people."""

    reason: PendingReason
    text: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one package says: its label and how sure it is.

    ``package`` is ``<name>-<version>``, ``sha256`` that of its graph, or of the list of its graphs' checksums.
    ``confidence`` is the calibrated probability of ``label``; ``scores`` holds that of every label. Where the package
    could not judge, the label is empty and ``pending`` says why.
    """

    package: str
    sha256: str
    label: str
    confidence: float
    scores: Mapping[str, float]
    code: Code | None = None
    """What the label means in a coding scheme, where the package's card says it."""
    pending: tuple[Pending, ...] = ()

    @property
    def status(self) -> PredictionStatus:
        """Automated, unless there is a reason to wait."""
        return PredictionStatus.PENDING_REVIEW if self.pending else PredictionStatus.AUTOMATED

    @property
    def why_pending(self) -> str:
        """All reasons to wait as one sentence each; empty when the prediction is automated."""
        return " ".join(one.text for one in self.pending)

    @property
    def sentence(self) -> str:
        """What the package says, for people."""
        result = f"{self.label} {self.confidence:.2f}" if self.label else "no prediction"
        return f"{self.package}: {result}, {self.status.value.replace('_', ' ')} ({DECISION_SUPPORT})"
