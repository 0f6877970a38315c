"""Edges are the same wherever the numbers lie in memory, so that an image judged again has the same widths."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.measure.image.neighbours import lengths


def test_lengths_of_gradients_do_not_depend_on_where_they_lie() -> None:
    gx, gy = np.random.default_rng(7).normal(0.0, 50.0, (2, 997)).astype(np.float32)
    expected = [np.sqrt(x * x + y * y) for x, y in zip(gx, gy, strict=True)]  # numbers of their own, each rounded
    for start in range(16):
        assert lengths(gx[start:], gy[start:]).tolist() == expected[start:]
