"""From a saliency map to a region of the image."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.words.subject import of_finding
from miqa_node.stages.report.mask import MAX_OUTLINE_POINTS, outline_of, regions_of, threshold_map
from tests.stages.report.making import assessment, findings


def test_each_cell_covers_its_share_of_the_image() -> None:
    values = np.zeros((4, 4), np.float32)
    values[1, 2] = 1.0
    mask = threshold_map(values, (400, 800), 0.5)
    y, x = np.nonzero(mask)
    assert ((y.mean() + 0.5) / 400, (x.mean() + 0.5) / 800) == pytest.approx((1.5 / 4, 2.5 / 4), abs=1e-3)
    # Bilinear: half the peak is reached half a cell away on the axes.
    assert (np.ptp(y), np.ptp(x)) == pytest.approx((100, 200), abs=3)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_higher_threshold_keeps_less_and_always_the_peak(share: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.random((20, 20)).astype(np.float32)
    mask, all_of_it = threshold_map(values, (20, 20), share), threshold_map(values, (20, 20), 0.05)
    assert np.array_equal(mask, values >= np.float32(share) * values.max())
    assert mask.sum() < all_of_it.sum()


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_map_without_a_peak_has_no_region(value: float) -> None:
    assert not threshold_map(np.full((5, 5), value, np.float32), (50, 50), 0.5).any()


def test_only_maps_that_show_something_get_a_region_and_they_are_numbered() -> None:
    full, blank = (
        SaliencyMap(values, "test") for values in (np.eye(8, dtype=np.float32), np.zeros((8, 8), np.float32))
    )
    rows = findings()[:3]
    shown_rows = [
        ([of_finding(row, assessment())], shown) for row, shown in zip(rows, (full, blank, full), strict=True)
    ]
    regions = regions_of(shown_rows, (64, 64), 0.5)
    assert [(r.subject.name, r.segment_number) for r in regions] == [(rows[0].name, 1), (rows[2].name, 2)]


def test_the_outline_goes_round_the_largest_part_and_begins_below() -> None:
    mask = np.zeros((100, 100), bool)
    mask[10:30, 40:80] = True
    mask[90:92, 5:7] = True
    outline = outline_of(mask)
    assert (outline[0] == outline[-1]).all()
    assert (outline[:, 0].min(), outline[:, 0].max()) == (40.5, 79.5)
    assert outline[0, 1] == outline[:, 1].max() == 29.5


def test_a_ragged_outline_is_simplified() -> None:
    rng = np.random.default_rng(2)
    mask = np.zeros((600, 600), bool)
    mask[100:500, 100:500] = True
    mask[90:510, 90:510] |= rng.random((420, 420)) > 0.5
    assert len(outline_of(mask)) <= MAX_OUTLINE_POINTS + 1


def test_a_region_of_one_pixel_has_an_outline() -> None:
    mask = np.zeros((10, 10), bool)
    mask[4, 7] = True
    assert outline_of(mask).tolist() == [[7.5, 4.5], [7.5, 4.5]]
