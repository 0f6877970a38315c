"""One slice of a stack is not like the others: by its header, by its values, or by lines that it lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged
from tests.stages.measure.series.test_odd_slices import chests, told


def test_lines_beside_the_body_are_none(tmp_path: Path) -> None:
    """Padding above it, and a band of air between two arms."""
    images = chests()
    for image in images:
        image[:40] = -1024.0
        image[150:] = -1024.0
    assert told(tmp_path / "a", images, lambda _: None)["lines_lost"].value == 0.0

    y, x = np.mgrid[: making.SIDE, : making.SIDE] - (making.SIDE - 1) / 2
    drawn = np.where(np.hypot(np.abs(y) - 40, x) < 30, 45.0, -1000.0)
    arms = [np.where(np.abs(y) < 8, -1000.0, drawn + np.random.default_rng(n).normal(0, 8, y.shape)) for n in range(8)]
    assert told(tmp_path / "b", arms, lambda _: None)["lines_lost"].value == 0.0


def test_a_copy_a_few_pixels_off_is_a_doubled_contour(tmp_path: Path) -> None:
    """Of tissue with structure; each slice has its own."""

    def strength(folder: str, copy: float) -> float:
        images = []
        for seed, image in enumerate(chests()):
            structure = np.random.default_rng(seed).normal(0.0, 60.0, image.shape) * (image > -300.0)
            once = image + structure
            images.append((once + copy * np.roll(once, 3, axis=1)) / (1 + copy))
        measured = judged(making.write_series(tmp_path / folder, images, "CT")).assessment.measurements
        return next(one.value for one in measured if one.name == "doubled_contours")

    plain, half = strength("plain", 0.0), strength("half", 0.5)
    assert plain < 6.5 < half
