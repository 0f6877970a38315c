"""Counts verdicts for the metrics."""

from __future__ import annotations

from miqa_node.core.observe import metrics
from miqa_node.stages.conclusion.base import Conclusion, LaterEffect
from miqa_node.stages.conclusion.effects import EffectKind


class MetricEffect(LaterEffect):
    """``miqa_images_total``."""

    def follow(self, conclusion: Conclusion) -> None:
        """Count it."""
        if conclusion.assessment.phantom:
            return  # not an image of a patient
        metrics.IMAGES.labels(verdict=conclusion.disposition.verdict.value).inc()


KIND = EffectKind("metric", lambda _context: MetricEffect(), on_giving_up=True, order=55)
