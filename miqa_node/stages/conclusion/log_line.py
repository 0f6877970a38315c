"""Writes one log line per image: its kind, its verdict, and the duration of each stage."""

from __future__ import annotations

import structlog

from miqa_node.stages.conclusion.base import Conclusion, LaterEffect
from miqa_node.stages.conclusion.effects import EffectKind

log = structlog.get_logger(__name__)


class LogEffect(LaterEffect):
    """The log line; it contains no patient data, and the digest identifies the image."""

    def follow(self, conclusion: Conclusion) -> None:
        """Write it."""
        instance, assessment, disposition = conclusion.instance, conclusion.assessment, conclusion.disposition
        timings_ms = {**assessment.timings_ms, **conclusion.timings_ms}
        log.info(
            "image",
            digest=instance.digest[:16],
            modality=instance.header.modality,
            calling_ae=instance.calling_ae_title,
            verdict=disposition.verdict.value,
            reasons=[reason.name for reason in disposition.reasons],
            score=assessment.score,
            model=f"{assessment.model.name}-{assessment.model.version}" if assessment.model else "",
            policy=disposition.policy_version,
            conflicting=instance.conflicting,
            wait_ms=round((conclusion.decided_at - instance.received_at).total_seconds() * 1e3),
            **{f"{stage}_ms": value for stage, value in timings_ms.items()},
        )


KIND = EffectKind("log_line", lambda _context: LogEffect(), on_giving_up=True, order=60)
