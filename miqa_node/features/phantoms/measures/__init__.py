"""The measures of phantoms, each in a file of its own; a new one is one file and its line here."""

from __future__ import annotations

from miqa_node.features.phantoms.measures import geometric_accuracy, piu, psg, slice_position, slice_thickness, snr
from miqa_node.features.phantoms.measures.base import Measure

MEASURES: tuple[Measure, ...] = (
    piu.MEASURE,
    psg.MEASURE,
    snr.MEASURE,
    geometric_accuracy.MEASURE,
    slice_thickness.MEASURE,
    slice_position.MEASURE,
)
"""In the order in which they are shown."""
