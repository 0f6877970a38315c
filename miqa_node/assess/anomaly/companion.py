"""Answers to the package name "anomaly": the score that the quality package gives by itself, or why there is none.

The network features of the quality package won the comparison (docs/explanation/anomaly.md), so no graph of its own
runs: the score is in the judgement already when this is asked. A site that wants it names it like any other package.
"""

from __future__ import annotations

from collections.abc import Mapping

from miqa_node.assess.card import Task
from miqa_node.assess.companion import Seen
from miqa_node.domain.ports import Judgement
from miqa_node.domain.prediction import Pending, PendingReason, Prediction

PACKAGE = Task.ANOMALY.value
"""What a site calls it by."""
CANNOT_SAY = "The quality package does not know which images are ordinary: teach it with miqa-node train anomaly."


class OwnAnomaly:
    """See :class:`~miqa_node.assess.companion.Companion`."""

    name = "own-anomaly"  # what it takes must not stand for what the score itself takes
    provider = ""
    golden_differences: Mapping[str, float] = {}

    def contribute(self, seen: Seen) -> Judgement:
        """The judgement as it is; where a model judged and could not say how unusual the image is, people learn why."""
        assessment = seen.judgement.assessment
        if assessment.anomaly is not None or assessment.model is None:
            return seen.judgement
        return seen.with_prediction(
            Prediction(PACKAGE, "", "", 0.0, {}, pending=(Pending(PendingReason.NOT_JUDGED, CANNOT_SAY),))
        )
