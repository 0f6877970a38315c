"""How much of an edge's slope is left is measured where the original has the edge, so that noise does not flatter."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from miqa_training.enhancement import scores
from tests.stages.assess.enhance.making import at_dose, whole_chest


@pytest.fixture(scope="module")
def bars() -> np.ndarray:
    image = np.full((400, 400), 0.35, np.float32)
    for x in range(30, 400, 60):
        cv2.line(image, (x, 0), (x + 25, 399), 0.65, 22, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    return np.clip(image + np.random.default_rng(4).normal(0, sigma, image.shape), 0, 1).astype(np.float32)


def test_noise_alone_changes_no_slope(bars: np.ndarray) -> None:
    slopes = scores.EdgeSlopes(bars)
    assert slopes.kept(bars) == pytest.approx(1.0)
    assert slopes.kept(noisy(bars, 0.04)) == pytest.approx(1.0, abs=0.03)


def test_on_a_radiograph_noise_flatters_the_measured_width_and_not_the_slope() -> None:
    original = np.ascontiguousarray(whole_chest()[600:1200, :600])
    dirty = at_dose(original, 0.5)
    before, after = scores.edge_width_px(original), scores.edge_width_px(dirty)
    assert before is not None
    assert after is not None
    assert after < 0.9 * before
    assert scores.EdgeSlopes(original).kept(dirty) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("sigma", [0.0, 0.04])
def test_a_blur_takes_slope_with_and_without_noise(bars: np.ndarray, sigma: float) -> None:
    share = scores.EdgeSlopes(bars).kept(np.asarray(cv2.GaussianBlur(noisy(bars, sigma), (0, 0), 1.5), np.float32))
    assert share is not None
    assert share < 0.8


def test_an_image_without_clear_edges_has_no_figure() -> None:
    flat = noisy(np.full((200, 200), 0.5, np.float32), 0.01)
    assert scores.EdgeSlopes(flat).kept(flat) is None
