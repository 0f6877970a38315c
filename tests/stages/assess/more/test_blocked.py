"""Graphs in whole blocks give the same results; others are left as they are."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.stages.assess.blocked import in_whole_blocks
from tests.stages.assess.test_blocked import energies, results


@pytest.mark.parametrize("read_twice", [False, True])
@pytest.mark.parametrize("images", [1, 5])
def test_results_are_the_same(images: int, *, read_twice: bool) -> None:
    plain = energies(26, read_twice=read_twice)
    blocked = in_whole_blocks(plain)
    assert blocked is not None
    image = np.random.default_rng(1).random((images, 1, 40, 48)).astype(np.float32)
    for one, other in zip(results(plain, image), results(blocked, image), strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)
