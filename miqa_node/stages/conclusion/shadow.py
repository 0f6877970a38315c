"""Starts the shadow model on an image after its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from miqa_node.core.domain.assessment import REPORT_FORM, Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.policy import Policy
from miqa_node.core.taxonomy.verdict_score import with_score
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.upkeep import unless_erased
from miqa_node.stages.assess.shadow import ShadowRunner
from miqa_node.stages.conclusion.base import Conclusion, LaterEffect
from miqa_node.stages.conclusion.effects import EffectContext, EffectKind
from miqa_node.stages.conclusion.rows import shadows


class ShadowEffect(LaterEffect):
    """The shadow model's start; never waits and never fails."""

    def __init__(self, shadow: ShadowRunner) -> None:
        self._shadow = shadow

    def follow(self, conclusion: Conclusion) -> None:
        """Let the shadow model begin."""
        self._shadow.verdict_is_out(conclusion.instance.digest)


def save_shadow(database: Database, policy: Callable[[], Policy], package: str, assessment: Assessment) -> None:
    """Keep what the shadow model says, with the verdict that it would have had."""
    disposition = decide(assessment, policy())
    assessment = with_score(replace(assessment, form=REPORT_FORM), disposition.verdict)
    with database.begin() as transaction:
        if unless_erased(transaction, [assessment.digest]):
            shadows.save(transaction, package, assessment, disposition)


def _open(context: EffectContext) -> ShadowEffect | None:
    shadow = context.unit.judging.shadow
    return None if shadow is None else ShadowEffect(shadow)


KIND = EffectKind("shadow", _open, order=50)
