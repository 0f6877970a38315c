"""How much darker one side of an ultrasound picture is than the other, as where the transducer has no contact."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.measure.frames import usual_of
from miqa_node.stages.measure.series_view import SliceView
from miqa_series.us.beams import Levels, beams, us_measure


def side_difference(shown: Levels) -> float | None:
    """Difference of the mean levels of both halves of the beams, in percent of their sum; None where all is black.

    >>> side_difference(np.repeat([[30.0, 90.0]], 4, axis=0))
    50.0
    """
    middle = shown.shape[1] // 2
    left, right = (float(np.nanmean(half)) for half in (shown[:, :middle], shown[:, middle:]))
    return 100.0 * abs(left - right) / (left + right) if left + right > 0.0 else None


def _part(view: SliceView) -> float | None:
    shown = view.once(beams)
    return None if shown is None else side_difference(shown)


US_SIDE_DIFFERENCE = us_measure(
    name="us_side_difference",
    unit="%",
    least_spread=2.0,
    label="Difference of the sides of the sector",
    code="US_SIDES",
    summary="How much darker one half of the beams is than the other.",
    definition="|left − right| / (left + right) of the mean levels of both halves of the beams.",
    validity="Sector of tissue. Anatomy can be darker at one side, too.",
    tolerance="A half at a fifth of its level gives 67, with what tissue itself differs by: drawn tissue reaches 12.",
    rank=731,
    each=_part,
    take=usual_of(float),
    concern="One side of the picture may lack echoes because the transducer had no contact there.",
)
