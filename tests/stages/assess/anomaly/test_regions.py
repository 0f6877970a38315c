"""A planted place that no ordinary image has stands out in the map, and nothing else does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.features import CELLS, ORIENTATIONS, hog
from miqa_node.stages.assess.anomaly.regions import GRID, nearest, pool_places, read_bank

CHANNELS = 16


def tensor(seed: int, side: int = 48) -> NDArray[np.float32]:
    """Output of a stage for an ordinary image: places of three kinds, with noise."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(0).normal(size=(3, CHANNELS))
    chosen = np.kron(rng.integers(3, size=(side // 2, side // 2)), np.ones((2, 2), int))
    values = kinds[chosen] + 0.05 * rng.normal(size=(side, side, CHANNELS))
    return np.asarray(values.transpose(2, 0, 1)[None], np.float32)


@pytest.fixture(scope="module")
def bank() -> Any:
    pytest.importorskip("sklearn")
    from miqa_training.ordinary import remember

    places = [pool_places(tensor(seed)) for seed in range(1, 9)]
    return remember(places[:6], places[6:], seed=1)


def test_the_planted_place_is_the_peak_of_the_map(bank: Any) -> None:
    odd = tensor(20)
    odd[0, :, 30:34, 10:14] += 3.0

    made = bank.region_map(odd)

    assert made.shape == (GRID, GRID)
    assert made.dtype == np.float32
    assert made.min() >= 0.0
    assert made.max() == 1.0
    row, column = np.unravel_index(int(made.argmax()), made.shape)
    assert 15 <= row <= 16
    assert 5 <= column <= 6
    elsewhere = made.copy()
    elsewhere[15:17, 5:7] = 0.0
    assert elsewhere.max() < 0.5


def test_an_ordinary_image_has_an_almost_empty_map(bank: Any) -> None:
    made = bank.region_map(tensor(21))

    assert (made == 0).mean() > 0.8


def test_nearest_is_the_smallest_of_all_distances() -> None:
    rng = np.random.default_rng(3)
    places, bank = rng.normal(size=(5, 7, 9)).astype(np.float32), rng.normal(size=(40, 9)).astype(np.float32)

    slow = np.array([[min(np.linalg.norm(place - one) for one in bank) for place in row] for row in places])

    assert np.abs(nearest(places, bank) - slow).max() < 1e-4


def test_a_coreset_leaves_no_group_out() -> None:
    pytest.importorskip("sklearn")
    from miqa_training.isolation import coreset

    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), [500, *[3] * 9])
    places = (100.0 * groups[:, None] + rng.normal(size=(len(groups), 4))).astype(np.float32)

    assert set(np.round(coreset(places, 10)[:, 0] / 100)) == set(range(10))


@pytest.mark.parametrize("side", [12, 24, 48, 50, 100])
def test_places_are_averaged_to_about_the_same_grid(side: int) -> None:
    values = np.broadcast_to(np.arange(side, dtype=np.float32), (1, 3, side, side))

    pooled = pool_places(values)

    assert min(side, GRID) <= len(pooled) < 2 * GRID
    assert (np.diff(pooled[0, :, 0]) > 0).all()


def test_a_bank_without_its_limits_is_refused(bank: Any) -> None:
    arrays = bank.arrays()
    del arrays["bank_unusual"]

    with pytest.raises(ModelPackageError, match="bank_unusual"):
        read_bank(arrays)


def test_gradients_tell_orientations_apart_and_ignore_brightness() -> None:
    ramp = np.tile(np.sin(np.arange(256) / 5), (256, 1)).astype(np.float32)

    upright, lying = hog(ramp), hog(ramp.T)

    assert upright.shape == ((CELLS - 1) ** 2 * 4 * ORIENTATIONS,)
    assert np.abs(hog(3 * ramp + 7) - upright).max() < 1e-5
    assert upright @ lying < 0.1 * (upright @ upright)
