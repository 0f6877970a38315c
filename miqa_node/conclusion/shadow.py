"""Starts the shadow model on an image after its verdict."""

from __future__ import annotations

from miqa_node.conclusion.base import Conclusion, LaterEffect
from miqa_node.conclusion.effects import EffectContext, EffectKind
from miqa_node.domain.ports import ShadowModel


class ShadowEffect(LaterEffect):
    """The shadow model's start; never waits and never fails."""

    def __init__(self, shadow: ShadowModel) -> None:
        self._shadow = shadow

    def follow(self, conclusion: Conclusion) -> None:
        """Let the shadow model begin."""
        self._shadow.verdict_is_out(conclusion.instance.digest)


def _open(context: EffectContext) -> ShadowEffect | None:
    shadow = context.unit.judging.shadow
    return None if shadow is None else ShadowEffect(shadow)


KIND = EffectKind("shadow", _open)
