"""The package name "anomaly": the score of the quality package, or the reason why it is missing.

The features of the quality network won the comparison (docs/explanation/anomaly.md), so no further graph runs: the
judgement already has the score when this sidecar is called. A site switches it on like any other package.
"""

from __future__ import annotations

from collections.abc import Mapping

from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.assess.card import Task
from miqa_node.stages.assess.sidecar import ImageContext, SideTask

PACKAGE = Task.ANOMALY.value
"""The name in a site's policy."""
CANNOT_SAY = Phrase(
    "The quality package does not know which images are ordinary: teach it with miqa-node train anomaly."
)


class OwnAnomaly:
    """See :class:`~miqa_node.stages.assess.sidecar.SidecarModel`."""

    name = "own-anomaly"  # opening it must not count as time spent on the score
    provider = ""
    golden_differences: Mapping[str, float] = {}

    def contribute(self, context: ImageContext) -> AssessorResult:
        """The result; if a model judged the image but gave no anomaly score, the reason is added."""
        assessment = context.judgement.assessment
        if assessment.anomaly is not None or assessment.model is None:
            return context.judgement
        return context.with_prediction(
            Prediction(PACKAGE, "", "", 0.0, {}, pending=(PendingCause(PendingReason.NOT_JUDGED, CANNOT_SAY),))
        )


SIDE_TASK = SideTask(Task.ANOMALY, own=OwnAnomaly())
