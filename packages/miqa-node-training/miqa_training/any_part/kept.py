"""Defects for figures only: no network learns from them, and they share no code with the two families of training.

They live in the node, which puts them on a site's own images to say what limits find.
"""

from __future__ import annotations

from miqa_node.features.limits.defects import KEPT, Picture, Plate

__all__ = ["KEPT", "Picture", "Plate"]
