"""Defects of any radiograph in torch, several ways for each; none shares code with ``miqa_training.degrade``.

Each takes a :class:`Shot` and a severity in [0, 1], and returns the picture and whether the defect can be seen in it:
motion of a third of a pixel cannot, nor noise that is weaker than the picture's own. Millimetres become pixels by the
convention of :func:`miqa_training.degrade.pitch_of`: 400 mm on the longer side.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_training.any_part.blur import (
    motion_local,
    motion_smear,
    motion_two,
    unsharp_pixels,
    unsharp_sloped,
    unsharp_soft,
)
from miqa_training.any_part.detector import (
    detector_block,
    detector_ghost,
    detector_lines,
    detector_marks,
    detector_stitch,
    grid_cut,
    grid_lines,
)
from miqa_training.any_part.dose import (
    noise_counted,
    noise_enhanced,
    noise_quantum,
    over_clipped,
    over_dark,
    under_lifted,
    under_starved,
)
from miqa_training.any_part.shot import Result, Shot, Way
from miqa_training.any_part.shown import (
    contrast_coarse,
    contrast_detail,
    contrast_flat,
    contrast_window,
    double_other,
    double_same,
)

WAYS: Mapping[FindingName, tuple[tuple[Way, float], ...]] = {
    FindingName.DOUBLE_EXPOSURE: ((double_same, 0.5), (double_other, 0.5)),
    FindingName.MOTION_BLUR: ((motion_smear, 0.5), (motion_two, 0.25), (motion_local, 0.25)),
    FindingName.UNSHARP: ((unsharp_soft, 0.6), (unsharp_pixels, 0.2), (unsharp_sloped, 0.2)),
    FindingName.GRID_ARTIFACT: ((grid_lines, 0.65), (grid_cut, 0.35)),
    FindingName.OVEREXPOSURE_SATURATION: ((over_clipped, 0.7), (over_dark, 0.3)),
    FindingName.UNDEREXPOSURE: ((under_lifted, 0.6), (under_starved, 0.4)),
    FindingName.NOISE: ((noise_quantum, 0.55), (noise_counted, 0.25), (noise_enhanced, 0.2)),
    FindingName.DETECTOR_OVERLAY_ARTIFACT: (
        (detector_lines, 0.34), (detector_block, 0.18), (detector_marks, 0.26), (detector_ghost, 0.1),
        (detector_stitch, 0.12),
    ),
    FindingName.CONTRAST_PROCESSING: (
        (contrast_flat, 0.35), (contrast_detail, 0.2), (contrast_window, 0.25), (contrast_coarse, 0.2),
    ),
}  # fmt: skip
"""Ways to simulate each finding with their shares, in the order in which defects happen."""


def simulate(shot: Shot, finding: FindingName, severity: float) -> Result:
    """The picture with the defect, made in one of the ways, and whether it can be seen there."""
    ways = WAYS[finding]
    shares = np.array([share for _, share in ways])
    way = ways[int(shot.rng.choice(len(ways), p=shares / shares.sum()))][0]
    return way(shot, severity)
