"""MR measurements against MRIQC's formulas, computed here a second time, and against volumes whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure import base
from tests.stages.measure.series import making
from tests.stages.measure.series.mr_in_memory import MrSeries, read_series

pytestmark = pytest.mark.more

SIGNAL, AIR = 600.0, 10.0


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> MrSeries:
    images = [making.head_mr(SIGNAL, AIR, seed=seed) for seed in range(8)]
    return read_series(making.write_series(tmp_path_factory.mktemp("head"), images, "MR"))


@pytest.fixture(scope="module")
def numbers(head: MrSeries) -> dict[str, Measurement]:
    return head.measured()


def regions(head: MrSeries) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The foreground and air far from it, by the geometry of the phantom and not by a threshold."""
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - making.SIDE // 2
    inside, outside = np.hypot(x / 60.0, y / 75.0) < 0.98, np.hypot(x / 60.0, y / 75.0) > 1.2
    values = head.values.astype(np.float64)
    return values[:, inside].ravel(), values[:, outside].ravel()


def test_the_ratios_are_those_of_mriqc(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    foreground, air = regions(head)
    snr = np.median(foreground) / (foreground.std() * np.sqrt(len(foreground) / (len(foreground) - 1)))
    assert numbers["mr_snr"].value == pytest.approx(snr, rel=0.02)
    assert numbers["mr_fber"].value == pytest.approx(np.median(foreground**2) / np.median(air**2), rel=0.03)


def test_signal_to_noise_against_air_is_mriqcs(tmp_path: Path) -> None:
    """With fine grey levels: the median absolute deviation of few of them goes in steps."""
    images = [30.0 * making.head_mr(SIGNAL, AIR, seed=seed) for seed in range(8)]
    fine = read_series(making.write_series(tmp_path, images, "MR"))
    foreground, air = regions(fine)
    deviation = np.median(np.abs(air - np.median(air))) / 0.6745
    expected = np.median(foreground) / (np.sqrt(2.0 / (4.0 - np.pi)) * deviation)
    assert fine.measured()["mr_snrd"].value == pytest.approx(expected, rel=0.02)


def test_the_entropy_is_that_of_mriqc(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    values = np.rint(head.values).astype(np.float64).ravel()
    root, largest = 1.0 / np.sqrt(values.size), np.sqrt((values**2).sum())
    entropy = np.sum(values / largest * np.log((values + 1e-16) / largest)) / (values.size * root * np.log(root))
    assert numbers["mr_efc"].value == pytest.approx(entropy, rel=1e-4)


def test_the_classes_of_tissue_give_mriqcs_joint_variation(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    """Three tissues with known means: the two brighter ones are compared."""
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - making.SIDE // 2
    means = np.select([np.hypot(x, y) < 20, np.hypot(x, y) < 40, np.hypot(x, y) < 60], [500.0, 700.0, 900.0], 0.0)
    random = np.random.default_rng(1)
    volume = np.abs(means + random.normal(0.0, 12.0, (8, *means.shape))).astype(np.float32)
    measured = head.measured(volume)
    assert measured["mr_cjv"].value == pytest.approx((12.0 + 12.0) / 200.0, rel=0.05)
    assert measured["mr_wm2max"].value == pytest.approx(900.0 / np.percentile(volume, 99.95), rel=0.01)


def test_artefacts_in_air_are_a_share_of_it(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    assert numbers["mr_qi1"].value < 1e-4
    # Tissue of every brightness, so that the threshold lies between the artefact and the head.
    random = np.random.default_rng(4)
    volume = np.where(head.values > 200.0, random.uniform(200.0, 800.0, head.values.shape), head.values)
    volume = volume.astype(np.float32)
    volume[:, 2:12, 2:22] = 120.0
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - making.SIDE // 2
    air = np.hypot(x / 66.0, y / 81.0) > 1.0  # 3 % of the side away from the head
    assert head.measured(volume)["mr_qi1"].value == pytest.approx(200 / air.sum(), rel=0.05)


@pytest.mark.parametrize("deviation", [6.0, 12.0, 40.0])
def test_noise_is_found_in_tissue(head: MrSeries, deviation: float) -> None:
    clean = np.stack([making.head_mr(SIGNAL, 0.0)] * 8)
    random = np.random.default_rng(2)
    noise = random.normal(0.0, deviation, (2, *clean.shape))
    measured = head.measured(np.hypot(clean + noise[0], noise[1]).astype(np.float32))
    assert measured["mr_noise"].value == pytest.approx(100.0 * deviation / SIGNAL, rel=0.12)


def test_noise_of_the_last_slices_is_that_of_the_series(head: MrSeries) -> None:
    clean = np.stack([making.head_mr(SIGNAL, 0.0)] * 8)
    deviations = np.array([6.0] * 6 + [24.0] * 2)[:, None, None]
    noise = np.random.default_rng(2).normal(0.0, 1.0, (2, *clean.shape)) * deviations
    measured = head.measured(np.hypot(clean + noise[0], noise[1]).astype(np.float32))["mr_noise"]
    assert measured.value == pytest.approx(100.0 * 24.0 / SIGNAL, rel=0.12)
    assert measured.place.startswith("slice 7 of 8, Instance Number ")


def test_ghosts_have_the_share_that_they_were_made_with(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    assert numbers["mr_ghost"].value < 1.0
    copied = head.values + 0.06 * np.roll(head.values, making.SIDE // 2, axis=1)
    result = head.measured(copied.astype(np.float32))
    assert result["mr_ghost"].value == pytest.approx(6.0, abs=2.0)
    ghosts = 0.06 * np.roll(head.values, making.SIDE // 2, axis=1)
    result = head.measured((head.values + ghosts).astype(np.float32))
    assert result["mr_gsr"].value == pytest.approx(0.05, abs=0.015)


def test_motion_within_a_volume_softens_its_edges(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    frequency = np.abs(np.fft.fftfreq(making.SIDE))[np.newaxis, :, np.newaxis]
    before, after = (np.fft.fft2(one) for one in (head.values, np.roll(head.values, 4, axis=1)))
    moved = np.abs(np.fft.ifft2(np.where(frequency < 0.06, before, after))).astype(np.float32)
    assert head.measured(moved)["mr_edges"].value < 0.9 * numbers["mr_edges"].value


def test_what_goes_on_at_the_other_end_is_wrap_and_a_body_that_is_cut_there_is_none(head: MrSeries) -> None:
    assert head.measured()["mr_wrap"].value == 0.0
    assert head.measured(np.roll(head.values, 70, axis=1))["mr_wrap"].value > 30.0
    y, x = np.mgrid[: making.SIDE, : making.SIDE]
    cut = np.where(abs(x - 96) < 60 - y / 8.0, 300.0 + 2.0 * y + 40.0 * np.sin(x / 9.0 + y / 5.0), 5.0)
    assert head.measured(np.stack([cut.astype(np.float32)] * 8))["mr_wrap"].value == 0.0


def test_one_point_of_k_space_is_a_spike_and_its_slice_is_named(
    head: MrSeries, numbers: dict[str, Measurement]
) -> None:
    assert numbers["mr_spikes"].value < 5.5
    volume = head.values.copy()
    kspace = np.fft.fft2(volume[3])
    kspace[31, 40] += 0.03 * abs(kspace[0, 0])
    volume[3] = np.abs(np.fft.ifft2(kspace))
    result = head.measured(volume)["mr_spikes"]
    assert result.value > 8.0
    assert result.place.startswith("slice 4 of 8, Instance Number ")


def test_the_bias_field_has_the_range_that_it_was_made_with(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    y = np.linspace(-1.0, 1.0, making.SIDE)[:, np.newaxis]
    uniform = np.where(making.head_mr(SIGNAL, 0.0) > 0.0, SIGNAL, 0.0)
    field = 1.0 + 0.5 * y
    volume = np.stack([uniform * field] * 8) + np.random.default_rng(3).normal(0.0, 8.0, (8, *uniform.shape))
    measured = head.measured(np.abs(volume).astype(np.float32))
    inside = np.broadcast_to(field, uniform.shape)[uniform > 0.0]
    low, high = np.percentile(inside, [5.0, 95.0])
    assert measured["mr_inu_width"].value == pytest.approx((high - low) / np.median(inside), rel=0.1)


def test_motion_between_volumes_is_its_displacement(head: MrSeries, numbers: dict[str, Measurement]) -> None:
    assert "mr_motion" not in numbers, "one volume cannot move"
    assert head.measured(head.values, head.values)["mr_motion"].value < 0.3
    moved = np.roll(head.values, 2, axis=2)  # 4 mm
    result = head.measured(head.values, head.values, moved)["mr_motion"]
    assert result.value == pytest.approx(4.0, abs=0.6)
    assert result.place == "between volumes 2 and 3 of 3"


def test_without_simpleitk_the_measurements_that_need_it_are_left_out(
    head: MrSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    needing = {"mr_motion", "mr_inu_width", "mr_cjv", "mr_wm2max"}
    assert {one.name for one in base.measures_with("SimpleITK")} == needing
    monkeypatch.setattr(base, "is_installed", lambda library: library != "SimpleITK")
    left = set(head.measured(head.values, head.values))
    assert not left & needing
    assert {"mr_snr", "mr_noise", "mr_ghost", "mr_wrap", "mr_spikes"} <= left


def test_each_is_left_out_rather_than_wrong(tmp_path: Path) -> None:
    def of(images: Sequence[making.Image]) -> set[str]:
        return set(read_series(making.write_series(tmp_path / str(len(images)), list(images), "MR")).measured())

    assert not {"mr_motion", "mr_inu_width"} & of([making.head_mr()] * 2)
    blank = of([np.zeros((making.SIDE, making.SIDE))] * 6)
    assert not {name for name in blank if name.startswith("mr_")}
