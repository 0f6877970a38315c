"""Predictions of classification packages, and whether a person must review them first.

Every prediction is decision support, not diagnosis: it never changes the quality verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.core.domain.codes import Code
from miqa_node.core.language.phrase import joined

DECISION_SUPPORT = "decision support, not diagnosis"
"""Accompanies every prediction for people and programs."""


@dataclass(frozen=True, slots=True)
class PackageRule:
    """Enables a further package in addition to the quality package, and limits the automation of its predictions.

    ``package`` is a name (its newest version) or ``<name>-<version>``. None means the value of the settings.
    """

    package: str
    min_confidence: float | None = None
    max_percentile: float | None = None
    accepted_only: bool | None = None


class PredictionStatus(StrEnum):
    """Whether a prediction is automated or waits for a person."""

    AUTOMATED = "automated"
    PENDING_REVIEW = "pending_review"


class PendingReason(StrEnum):
    """Why a prediction waits; the values are the names of the reasons on the worklist."""

    LOW_CONFIDENCE = "low_confidence"
    QUALITY_FIRST = "quality_first"
    """The image was rejected or not assessed for its quality, so no prediction from it is automated."""
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    """The image is more unusual than the site's limit."""
    NOT_PROVEN = "not_proven"
    """There is no evidence that confident predictions are wrong rarely enough."""
    NOT_JUDGED = "not_judged"
    """The package gave no prediction: the image is out of scope, or the package could not run."""


PENDING_NAMES = frozenset(reason.value for reason in PendingReason)
"""The names of the reasons of a study for which only a prediction waits."""


@dataclass(frozen=True, slots=True)
class PendingCause:
    """One reason why a prediction waits, with a sentence for people."""

    reason: PendingReason
    text: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """One package's prediction: its label and confidence.

    ``package`` is ``<name>-<version>``, ``sha256`` that of its graph, or of the list of its graphs' checksums.
    ``confidence`` is the calibrated probability of ``label``; ``scores`` has that of every label. If the package could
    not judge, the label is empty and ``pending`` has the reason.
    """

    package: str
    sha256: str
    label: str
    confidence: float
    scores: Mapping[str, float]
    code: Code | None = None
    """The code of the label, if the package's card has one."""
    pending: tuple[PendingCause, ...] = ()
    automated_by: str = ""
    """Of an automated prediction: the certificate of the site that automates it, as a sentence; empty without one."""
    certificate: str = ""
    """Digest of the site's certificate if it covers the image, however sure the package is."""

    @property
    def status(self) -> PredictionStatus:
        """Automated unless there is a reason to wait."""
        return PredictionStatus.PENDING_REVIEW if self.pending else PredictionStatus.AUTOMATED

    @property
    def why_pending(self) -> str:
        """All reasons to wait, one sentence each; empty if the prediction is automated."""
        return joined(" ", [one.text for one in self.pending])

    @property
    def why(self) -> str:
        """Why it waits, or by which certificate it is automated; empty if it is automated without one."""
        return self.why_pending or self.automated_by

    @property
    def sentence(self) -> str:
        """The prediction as a sentence for people."""
        result = f"{self.label} {self.confidence:.2f}" if self.label else "no prediction"
        return f"{self.package}: {result}, {self.status.value.replace('_', ' ')} ({DECISION_SUPPORT})"
