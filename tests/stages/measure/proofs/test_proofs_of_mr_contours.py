"""A copy in drawn texture has the strength that it was drawn with."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_series.mr.doubled_contours import PATCH_PX, copy_strength, corners, patch_cepstra
from tests.stages.measure.proofs.agreement import agree

pytestmark = pytest.mark.more

SIDE = 256


@pytest.mark.parametrize("strength", [0.2, 0.5])
@pytest.mark.parametrize("shift", [(3, 0), (0, -4), (3, 3)])
def test_a_moved_copy_has_its_strength(strength: float, shift: tuple[int, int]) -> None:
    """ln |1 + a e^iφ|² = 2 a cos φ − …: a at the copy's place, in each patch."""
    random = np.random.default_rng(0)
    tops = corners((SIDE, SIDE))
    textures = [random.normal(size=(SIDE, SIDE)).astype(np.float32) for _ in range(4)]
    sums = [one + np.float32(strength) * np.roll(one, shift, (0, 1)) for one in textures]
    cepstra = np.stack([patch_cepstra(one, tops, (0.5, 0.5)) for one in sums]).mean(axis=0)
    middles = np.asarray(tops + (PATCH_PX - SIDE) / 2.0, np.float64)
    result = copy_strength(cepstra, middles, np.full(len(tops), 4.0))
    agree("mr_doubled_contours", 100.0 * result, 100.0 * strength)
