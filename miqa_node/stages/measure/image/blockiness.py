"""Traces of lossy compression: the 8 × 8 blocks of JPEG."""

from __future__ import annotations

import numpy as np

from miqa_node.libraries.plain_statistics.scales import Scale, ScaleKind
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.neighbours import neighbour_differences
from miqa_node.stages.measure.view import ImageView

SMALLEST_SIDE = 64
BLOCK = 8


def _blockiness(view: ImageView) -> float | None:
    """How much larger the steps at one phase of a period of 8 pixels are than at the other phases, minus 1.

    Mean absolute differences between neighbouring columns (rows) are sorted by column (row) number modulo 8; per
    phase the median over all of them; the largest phase against the mean of the other seven, averaged over both
    directions (after Wang, Bovik, Evans, ICIP 2000). About 0 without blocks.

    >>> blocks = np.random.default_rng(0).integers(0, 65535, (16, 16)).repeat(8, 0).repeat(8, 1)
    >>> BLOCKINESS.of(blocks + np.random.default_rng(1).integers(0, 600, blocks.shape) - 300) > 5.0
    True
    """
    differences = view.once(neighbour_differences)
    ratios = []
    for steps in (differences.column_steps, differences.row_steps):
        phases = np.array([np.median(steps[phase::BLOCK]) for phase in range(BLOCK)])
        highest = int(phases.argmax())
        others = np.delete(phases, highest).mean()
        if others > 0:
            ratios.append(float(phases[highest] / others) - 1.0)
    return float(np.mean(ratios)) if ratios else None


BLOCKINESS = ImageMeasure(
    name="blockiness",
    unit="1",
    least_spread=0.02,
    scale=Scale(ScaleKind.LEVEL, -1.0),
    label="Blockiness",
    summary="Steps across the borders of 8 x 8 blocks over steps elsewhere: trace of compression.",
    definition="How much larger the median step between neighbouring columns (rows) is at one phase of a period of 8 "
    "than at the other seven, minus 1, averaged over both directions (after Wang, Bovik and Evans, ICIP 2000).",
    validity="Images in the size in which they were compressed, cut or not.",
    tolerance="Below 0.1 without JPEG blocks; repeated with other noise within 0.02, cut images within 10 %. It does "
    "not tell the quality of the JPEG.",
    section="Patterns",
    rank=200,
    least_side_px=SMALLEST_SIDE,
    take=_blockiness,
)
