"""High-contrast resolution of whole drawn phantoms, in any pose; and what is said if nothing is resolved."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.features.phantoms.titles import main_names, title_of
from miqa_phantoms import high_contrast
from tests.packages.phantoms.drawing import Acr, Image, stack
from tests.packages.phantoms.holes import with_holes

pytestmark = pytest.mark.more

PHANTOM = Acr(side=320, spacing=250.0 / 320.0, tilt_deg=1.0)
GROUP = "spatial_resolution_mm"


@pytest.fixture(scope="module")
def others() -> list[Image]:
    """Slices 2 to 11."""
    return PHANTOM.images()[1:]


def values(images: list[Image]) -> dict[str, float | None]:
    of = stack(images, spacing=PHANTOM.spacing)
    return {one.name: one.value for one in high_contrast.MEASURE.take(of)}


def test_the_smallest_holes_of_each_direction_are_named_in_any_pose(others: list[Image]) -> None:
    first = with_holes(PHANTOM, (0.8, 0.8), {(0.9, "lower column")})
    upright = [first, *others]
    for images in (upright, [np.rot90(np.fliplr(one)) for one in upright][::-1]):
        result = values(images)
        names = [f"{GROUP}.{part}" for part in ("upper_left", "lower_right", "best")]
        assert [result[name] for name in names] == [0.9, 1.0, 1.0]
        assert (result["hole_contrast_percent.upper_left_09"] or 0.0) > 30.0
        assert (result["hole_contrast_percent.lower_right_09"] or 0.0) < 5.0
        assert result["hole_contrast_percent.upper_left_08"] is None, "the large phantom has none"


def test_a_scan_that_resolves_nothing_says_so_and_has_a_contrast_that_a_limit_can_judge(others: list[Image]) -> None:
    of = stack([with_holes(PHANTOM, (1.6, 1.6)), *others], spacing=PHANTOM.spacing)
    result = {one.name: one for one in high_contrast.MEASURE.take(of)}
    best = result[f"{GROUP}.best"]
    assert (best.value, best.reason) == (None, "Not even the holes of 1.1 mm can be told apart.")
    contrast = result["hole_contrast_percent.upper_left_11"]
    assert contrast.value is not None
    assert contrast.value < 5.0
    assert contrast.regions


def test_the_row_of_the_log_shows_the_best_and_titles_say_the_size() -> None:
    names = [one.name for one in high_contrast.MEASURE.values]
    assert main_names(names) == [f"{GROUP}.best"]
    assert title_of("hole_contrast_percent.lower_right_10") == "Contrast of holes: lower right, holes of 1.0 mm"
