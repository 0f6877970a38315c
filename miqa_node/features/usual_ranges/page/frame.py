"""The frame of a curve of usual ranges, whose numbers go by the scale of their quantity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from miqa_node.core.domain.measurand import measurand_of
from miqa_node.core.drawing import Drawing
from miqa_node.core.drawing.frame import Frame

LEAST_SPAN = timedelta(days=1)
LEAST_BAND = 1.0
"""In pixels: a range of one number is seen, too."""


def frame_of(
    name: str,
    times: Sequence[datetime],
    numbers: Sequence[float],
    drawing: Drawing,
    edges: tuple[float, float, float, float],
) -> Frame[datetime]:
    """The frame that has all times and numbers of a measurement."""
    of = measurand_of(name)
    even = float if of is None else lambda number: of.scale.even(number, of.least_spread)
    first, places = min(times), [even(one) for one in numbers]
    return Frame(drawing, edges, first, max(*times, first + LEAST_SPAN), min(places), max(places), even)
