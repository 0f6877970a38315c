"""The mask of a map has the pixels whose share of the peak reaches the threshold, without a division for each."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.stages.report.mask import spread_map, threshold_map

TINY = np.array([[0.0, 4e-45], [1e-44, 3e-44]])
"""Values below the normal ones of 32 bits."""


@pytest.mark.parametrize("shape", [(1, 1), (63, 200), (64, 64), (513, 300)])
@pytest.mark.parametrize("threshold", [1e-60, 1e-9, 0.3, 0.5, 0.999])
def test_every_pixel_is_as_in_the_whole_map(shape: tuple[int, int], threshold: float) -> None:
    rng = np.random.default_rng(shape[0])
    for values in (
        rng.normal(0, 3, (7, 9)),
        rng.uniform(0, 1e-6, (16, 16)),
        TINY,
        np.full((3, 3), np.nan),
        -np.ones((2, 2)),
    ):
        heat = spread_map(values.astype(np.float32), shape)
        mask = threshold_map(values.astype(np.float32), shape, threshold)
        assert (mask == ((heat >= threshold) & (heat > 0.0))).all()
