"""The measures of phantoms, each in a file of its own; a new one is one file and its line here."""

from __future__ import annotations

from miqa_node.features.phantoms.measures import piu
from miqa_node.features.phantoms.measures.base import Measure

MEASURES: tuple[Measure, ...] = (piu.MEASURE,)
"""In the order in which they are shown."""
