"""Spokes and holes of ACR MR phantoms: a number that noise alone would change is none."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.features.phantoms.stack import PhantomStack
from miqa_phantoms import high_contrast, low_contrast
from tests.packages.phantoms.drawing import Acr, Image, stack
from tests.packages.phantoms.holes import with_holes
from tests.packages.phantoms.test_drawn_acr_spokes import with_discs

PHANTOM = Acr(noise=1.0, side=320, spacing=250.0 / 320.0)
PERCENT = (0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 3.0, 5.0, 9.0)


def noisy(images: list[Image], percent: float, seed: int = 0) -> PhantomStack:
    """With so much noise of the drawn signal in each of its two parts."""
    random = np.random.default_rng(seed)
    sigma = PHANTOM.signal * percent / 100.0
    parts = ((random.normal(0.0, sigma, one.shape), random.normal(0.0, sigma, one.shape)) for one in images)
    return stack(
        [np.hypot(one + real, imaginary) for one, (real, imaginary) in zip(images, parts, strict=True)],
        spacing=PHANTOM.spacing,
    )


@pytest.fixture(scope="module")
def drawn() -> list[Image]:
    images = with_discs(PHANTOM)
    images[0] = with_holes(PHANTOM, (0.8, 0.8))
    return images


def test_spokes_are_right_or_too_noisy(drawn: list[Image]) -> None:
    totals = {}
    for percent in PERCENT:
        total = low_contrast.MEASURE.take(noisy(drawn, percent))[-1]
        totals[percent] = total.value
        assert total.value is not None or total.reason in {low_contrast.TOO_NOISY, low_contrast.NO_INSERT}
        assert total.value is None or total.value >= 40 - 6, totals
    assert totals[0.3] == pytest.approx(40.0, abs=2.0)
    assert totals[0.6] == pytest.approx(40.0, abs=2.0)
    assert [totals[one] for one in (2.0, 3.0, 5.0, 9.0)] == [None] * 4


def test_holes_are_resolved_or_too_noisy(drawn: list[Image]) -> None:
    best = {}
    for percent in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0):
        value = next(one for one in high_contrast.MEASURE.take(noisy(drawn, percent)) if one.name.endswith(".best"))
        best[percent] = value.value
        assert (value.value is None) == (value.reason == high_contrast.TOO_NOISY), (percent, value.reason)
        assert value.value is None or value.value == pytest.approx(0.9, abs=0.11), best
    assert best[1.0] == 0.9
    assert [best[one] for one in (8.0, 12.0)] == [None] * 2


def test_a_quiet_scan_without_holes_is_not_called_noisy() -> None:
    images = [PHANTOM.image(1), *with_discs(PHANTOM)[1:]]
    values = high_contrast.MEASURE.take(stack(images, spacing=PHANTOM.spacing))
    assert {one.reason for one in values} == {high_contrast.NO_ARRAYS}
