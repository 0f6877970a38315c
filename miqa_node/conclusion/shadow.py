"""Starts the shadow model on an image after its verdict."""

from __future__ import annotations

from collections.abc import Callable

from miqa_node.conclusion.base import Conclusion, LaterEffect
from miqa_node.conclusion.effects import EffectContext, EffectKind
from miqa_node.domain.assessment import Assessment
from miqa_node.domain.policy import Policy, decide
from miqa_node.domain.ports import ShadowModel
from miqa_node.store import shadows
from miqa_node.store.database import Database


class ShadowEffect(LaterEffect):
    """The shadow model's start; never waits and never fails."""

    def __init__(self, shadow: ShadowModel) -> None:
        self._shadow = shadow

    def follow(self, conclusion: Conclusion) -> None:
        """Let the shadow model begin."""
        self._shadow.verdict_is_out(conclusion.instance.digest)


def save_shadow(database: Database, policy: Callable[[], Policy], package: str, assessment: Assessment) -> None:
    """Keep what the shadow model says, with the verdict that it would have had."""
    disposition = decide(assessment, policy())
    with database.begin() as transaction:
        shadows.save(transaction, package, assessment, disposition)


def _open(context: EffectContext) -> ShadowEffect | None:
    shadow = context.unit.judging.shadow
    return None if shadow is None else ShadowEffect(shadow)


KIND = EffectKind("shadow", _open)
