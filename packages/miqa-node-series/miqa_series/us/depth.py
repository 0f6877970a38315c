"""How deep the echoes of an ultrasound picture reach, of the depth that it shows."""

from __future__ import annotations

import numpy as np

from miqa_node.libraries.plain_statistics.scales import PERCENT
from miqa_node.stages.measure.frames import usual
from miqa_node.stages.measure.series_view import SliceView
from miqa_series.us.beams import BLACK, Levels, beams, us_measure

FILLED = 0.2
"""Share of the beams that must have an echo at a depth."""


def filled_depth(shown: Levels) -> float | None:
    """The last depth at which enough beams have an echo, in percent; None if nothing is grey.

    >>> filled_depth(np.repeat([[50.0], [50.0], [0.0], [0.0]], 8, axis=1))
    50.0
    """
    inside = np.isfinite(shown)
    shown, inside = shown[inside.any(axis=1)], inside[inside.any(axis=1)]
    if not len(shown):
        return None
    filled = (inside & (shown > BLACK)).sum(axis=1) >= FILLED * inside.sum(axis=1)
    return 100.0 * (1 + int(np.flatnonzero(filled)[-1])) / len(shown) if filled.any() else 0.0


def _part(view: SliceView) -> float | None:
    shown = view.once(beams)
    return None if shown is None else filled_depth(shown)


US_FILLED_DEPTH = us_measure(
    name="us_filled_depth",
    unit="%",
    least_spread=2.0,
    scale=PERCENT,
    label="Depth with echoes",
    summary="Last depth with echoes, of the depth that is shown.",
    definition="Last depth at which a fifth of the beams lie above 3 % of white, in percent of the depth that is "
    "shown. A simple relative of the depth of penetration of AAPM Ultrasound Task Group 1.",
    validity="Pictures whose header describes the region; in others it is near 100, because the grey part is taken for "
    "the depth. Noise at depth counts as echo, fluid and shadows as none.",
    tolerance="Within 2 on drawn tissue.",
    rank=720,
    each=_part,
    take=lambda _, parts: usual(parts),
)
