"""Lets the shadow model judge the image, now that its verdict is out."""

from __future__ import annotations

from miqa_node.conclusion.base import Conclusion, LaterEffect
from miqa_node.domain.ports import ShadowModel


class ShadowEffect(LaterEffect):
    """Never waits and never fails."""

    def __init__(self, shadow: ShadowModel) -> None:
        self._shadow = shadow

    def follow(self, conclusion: Conclusion) -> None:
        """The shadow model may begin."""
        self._shadow.verdict_is_out(conclusion.instance.digest)
