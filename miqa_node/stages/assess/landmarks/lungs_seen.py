"""Whether an image shows lungs at all, however it is turned, or both lungs of a frontal chest beyond doubt.

If it shows none, it is not a frontal chest.

The gate of the quality package learned chests and simulated non-chests and lets many real radiographs of other body
parts pass. The lung field was learned apart from it. docs/explanation/quality.md has the figures of both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.landmarks.lung_field import lung_outlines

LungField = NDArray[np.float64]
"""(2, rows, columns): probability of lung in each cell, of the lung at the image's left and of the one at its right."""

NO_LUNG = 0.03
"""Mean probability of lung, over the whole image and of the lesser lung, below which there is none."""
LITTLE_LUNG = 0.07
"""Below this the gate's doubt decides. Of 463 chest radiographs 7 % are below, and none is below NO_LUNG."""
DOUBT = 0.1
"""Probability of another kind by the gate; of chests with little lung none exceeds .03."""


LEAST_HEIGHT, LEAST_DEPTH = 0.43, 0.57
"""Height of the lesser lung, and how far down the higher one reaches, as shares of the image's height. Of 396 frontal
chests of seven sources .91 have both, of 303 images of other parts (202 of the spine) none. Chosen on these images."""
LESSER_HEIGHT = 0.35
"""Height of the lesser lung with which another one of LEAST_HEIGHT suffices where the header names no spine: of 302
chests .97 have both (.89 what is asked above), of 303 images of other parts 7, all of whole spines. Chosen on these."""
SURE_GATE, TALLER_LUNG = 0.02, 0.50
"""Probability of another kind by the gate up to which two lungs suffice, if one of them is as high as this. Of 220
chests, half of them damaged, the heights leave 28, of which 25 have both; of 69 images of other parts, most of them
whole spines, none has: the likeliest has .017 and .48."""


def shows_no_lungs(lungs: LungField, gate: float, turned: Callable[[int], LungField | None]) -> bool:
    """Whether the image shows no lungs, given the field of the image as it is.

    ``gate``: probability of another kind by the quality package. ``turned``: the field of the image after that many
    quarter turns; only asked if the upright image shows little lung, as networks know upright chests only.
    """
    share = lung_share(lungs)
    for turns in (1, 2, 3):
        if share >= LITTLE_LUNG:
            return False
        field = turned(turns)
        share = max(share, 0.0 if field is None else lung_share(field))
    return share < NO_LUNG or (share < LITTLE_LUNG and gate >= DOUBT)


def lung_share(lungs: LungField) -> float:
    """Mean probability of lung over the whole image, of the lung that is seen less.

    >>> lung_share(np.stack([np.full((4, 4), 0.2), np.full((4, 4), 0.1)]))
    0.1
    """
    return float(lungs.mean(axis=(1, 2)).min())


def shows_frontal_chest(lungs: LungField) -> bool:
    """Whether the upright image shows both lungs beyond doubt: as high and as far down as those of a chest.

    An image of the spine shows lungs, too, but in its upper half.
    """
    outlines = [np.array(outline)[:, 1] for outline in lung_outlines(lungs).values()]
    if len(outlines) < len(lungs):
        return False
    high = all(float(np.ptp(down)) >= LEAST_HEIGHT for down in outlines)
    return high and all(float(down.max()) >= LEAST_DEPTH for down in outlines)


def shows_two_lungs(lungs: LungField) -> bool:
    """Whether both lungs are seen, one of them as high as that of a chest: enough against a part that has none."""
    heights = sorted(float(np.ptp(np.array(outline)[:, 1])) for outline in lung_outlines(lungs).values())
    return len(heights) == len(lungs) and heights[0] >= LESSER_HEIGHT and heights[-1] >= LEAST_HEIGHT


def shows_chest_by_both(lungs: LungField, gate: float) -> bool:
    """Whether both lungs are seen, if one of them only in part, and the gate of the quality package agrees."""
    heights = [float(np.ptp(np.array(outline)[:, 1])) for outline in lung_outlines(lungs).values()]
    return gate <= SURE_GATE and len(heights) == len(lungs) and max(heights) >= TALLER_LUNG
