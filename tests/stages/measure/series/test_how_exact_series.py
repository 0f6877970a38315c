"""What measurements of CT and MR state as tolerance, on bodies whose faults have a known size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.stages.measure.series import making
from tests.stages.measure.series.making import SIDE, SPACING_MM, Image
from tests.stages.measure.series.mr_in_memory import read_series
from tests.stages.measure.series.test_measures import judged, numbers

pytestmark = pytest.mark.more

Y, X = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
SIGNAL = 600.0


def of_ct(folder: Path, change: Callable[[Image], Image], noise_hu: float = 8.0) -> dict[str, float]:
    images = [change(making.layered_ct(noise_hu, seed)) for seed in range(4)]
    return numbers(judged(making.write_series(folder, images, "CT", change=making.fine)))


def of_mr(folder: Path, images: list[Image]) -> dict[str, float]:
    return numbers(judged(making.write_series(folder, images, "MR")))


@pytest.mark.parametrize("shift_hu", [-10.0, 30.0])
def test_hounsfield_units_follow_a_shift(tmp_path: Path, shift_hu: float) -> None:
    values = of_ct(tmp_path, lambda image: image + shift_hu)
    assert values["hu_air"] == pytest.approx(-1000.0 + shift_hu, abs=2.0)
    assert values["hu_fat"] == pytest.approx(-100.0 + shift_hu, abs=3.0)
    assert values["hu_soft_tissue"] == pytest.approx(50.0 + shift_hu, abs=2.0)
    assert values["hu_offset"] == pytest.approx(shift_hu, abs=3.0)


def test_noise_of_a_kernel_comes_out_by_a_sixth_too_low(tmp_path: Path) -> None:
    assert of_ct(tmp_path, lambda image: image, 20.0)["ct_noise"] == pytest.approx(20.0 * 5 / 6, rel=0.05)


@pytest.mark.parametrize("amplitude_hu", [30.0, 120.0])
def test_rays_give_their_amplitude_times_1_4(tmp_path: Path, amplitude_hu: float) -> None:
    values = of_ct(tmp_path, lambda image: making.with_streaks(image, amplitude_hu))
    assert values["streak_index"] == pytest.approx(1.4 * amplitude_hu, rel=0.05)


def test_faint_parallel_lines_stand_out(tmp_path: Path) -> None:
    values = of_ct(tmp_path, lambda image: image + 5.0 * np.sin(np.arange(SIDE) * 1.2)[:, None])
    assert values["streak_direction"] == pytest.approx(10.0, abs=3.0)


@pytest.mark.parametrize(("width_mm", "share"), [(2, 2 / 3), (4, 2 / 5)])
@pytest.mark.parametrize("ring_hu", [10.0, 40.0])
def test_a_ring_gives_a_known_part_of_its_height(tmp_path: Path, ring_hu: float, width_mm: int, share: float) -> None:
    ring = ring_hu * (np.abs(np.hypot(Y, X) - 30.0) < width_mm / 2)
    assert of_ct(tmp_path, lambda image: image + ring)["ring_index"] == pytest.approx(share * ring_hu, rel=0.15)


def test_truncation_is_the_arc_that_the_body_covers(tmp_path: Path) -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 20000)
    edge = (SIDE / 2 - 1.5) * np.sin(angle), (SIDE / 2 - 1.5) * np.cos(angle)
    _hold_truncation(tmp_path, 30, *edge)


def test_truncation_of_a_body_beyond_the_circle_is_its_part_of_the_edge_of_the_image(tmp_path: Path) -> None:
    beside = np.maximum(np.abs(Y), np.abs(X)) > SIDE / 2 - 3
    _hold_truncation(tmp_path, 45, Y[beside], X[beside])


def _hold_truncation(folder: Path, right_px: int, y: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Hold the share of the edge, whose points are given, that lies in a body which was moved to the right."""
    body = np.roll(making.body_ct(radius_mm=150.0), right_px, axis=1)
    body[:, :right_px] = -1000.0
    share = float((np.hypot(y / making.FLATNESS, x - right_px) * SPACING_MM < 150.0).mean())
    assert numbers(judged(making.write_series(folder, [body] * 3, "CT")))["truncation"] == pytest.approx(
        100.0 * share, abs=1.0
    )


def ghosted(strength: float) -> list[Image]:
    """Heads with a copy shifted by half of the field, and noise of both channels of a sixtieth of the signal."""
    clean = making.head_mr(SIGNAL, 0.0)
    copied = clean + strength * np.roll(clean, SIDE // 2, axis=0)
    randoms = (np.random.default_rng(seed).normal(0.0, SIGNAL / 60.0, (2, SIDE, SIDE)) for seed in range(4))
    return [np.asarray(np.hypot(copied + noise[0], noise[1])) for noise in randoms]


def test_ghosts_come_out_low_by_a_known_part(tmp_path: Path) -> None:
    for strength in (0.03, 0.1):
        values = of_mr(tmp_path / str(strength), ghosted(strength))
        assert 0.95 * 100 * strength < values["mr_ghost"] < 1.05 * 100 * strength
    assert values["mr_gsr"] == pytest.approx(0.07, abs=0.005)


@pytest.mark.parametrize(("ratio", "share"), [(100.0, 1.0), (50.0, 1.0), (15.0, 0.93), (6.0, 0.8)])
def test_noise_of_magnitude_images(tmp_path: Path, ratio: float, share: float) -> None:
    values = of_mr(tmp_path, [30.0 * making.head_mr(SIGNAL, SIGNAL / ratio, seed) for seed in range(4)])
    assert values["mr_noise"] == pytest.approx(share * 100.0 / ratio, rel=0.03)
    assert values["mr_snrd"] == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize("shift_px", [40, 80])
def test_wrap_is_the_folded_width(tmp_path: Path, shift_px: int) -> None:
    width = 100.0 * float((np.roll(making.head_mr(air=0.0), shift_px, axis=0)[0] > 0.0).mean())
    images = [np.roll(making.head_mr(seed=seed, texture=0.1), shift_px, axis=0) for seed in range(4)]
    assert of_mr(tmp_path, images)["mr_wrap"] == pytest.approx(width, abs=2.0)


@pytest.mark.parametrize("darker", [0.1, 0.5])
def test_a_jump_is_what_a_slice_lacks(tmp_path: Path, darker: float) -> None:
    images = [making.head_mr(seed=seed) * (1.0 - darker * (seed == 2)) for seed in range(5)]
    assert of_mr(tmp_path, images)["slice_jump"] == pytest.approx(100.0 * darker, abs=1.0)


@pytest.mark.parametrize("shift_px", [1, 3])
def test_motion_is_the_shift(tmp_path: Path, shift_px: int) -> None:
    head = read_series(making.write_series(tmp_path, [making.head_mr(seed=seed) for seed in range(6)], "MR"))
    moved = head.measured(head.values, np.roll(head.values, shift_px, axis=2))
    assert moved["mr_motion"].value == pytest.approx(shift_px * SPACING_MM, abs=0.3)
