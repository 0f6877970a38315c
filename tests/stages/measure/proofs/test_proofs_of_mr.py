"""MR: MRIQC's formulas written apart (mriqc/qc/anatomical.py), and drawn heads whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.stages.measure.proofs.agreement import agree
from tests.stages.measure.series import making
from tests.stages.measure.series.making import SIDE, SPACING_MM, Image
from tests.stages.measure.series.mr_in_memory import MrSeries, read_series

pytestmark = pytest.mark.more

SIGNAL, AIR, FINE = 600.0, 10.0, 30.0
"""Numbers are stored whole: FINE gives noise so many grey levels that its median is not in steps."""
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE // 2


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> MrSeries:
    images = [FINE * making.head_mr(SIGNAL, AIR, seed=seed) for seed in range(8)]
    return read_series(making.write_series(tmp_path_factory.mktemp("head"), images, "MR"))


@pytest.fixture(scope="module")
def result(head: MrSeries) -> dict[str, float]:
    return values(head)


def values(head: MrSeries, *volumes: NDArray[np.floating]) -> dict[str, float]:
    measured = head.measured(*(np.asarray(one, np.float32) for one in volumes))
    return {name: one.value for name, one in measured.items()}


def regions(head: MrSeries) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The foreground and air far from it, by the geometry of the phantom and not by a threshold."""
    inside, outside = np.hypot(X / 60.0, Y / 75.0) < 0.98, np.hypot(X / 60.0, Y / 75.0) > 1.2
    return (head.values[:, inside].astype(float).ravel(), head.values[:, outside].astype(float).ravel())


def test_the_ratios_are_those_of_mriqc(head: MrSeries, result: dict[str, float]) -> None:
    foreground, air = regions(head)
    count = len(foreground)
    agree("mr_snr", result["mr_snr"], float(np.median(foreground) / (foreground.std() * np.sqrt(count / (count - 1)))))
    agree("mr_fber", result["mr_fber"], float(np.median(foreground**2) / np.median(air**2)))
    deviation = np.median(np.abs(air - np.median(air))) / 0.6744897501960817  # statsmodels.robust.scale.mad
    agree("mr_snrd", result["mr_snrd"], float(np.median(foreground) / (deviation * np.sqrt(2.0 / (4.0 - np.pi)))))


@pytest.mark.parametrize("ratio", [6.0, 15.0, 60.0, 100.0])
def test_signal_to_noise_is_what_was_drawn_and_falls_with_noise(tmp_path: Path, ratio: float) -> None:
    noisy = [FINE * making.head_mr(SIGNAL, SIGNAL / ratio, seed) for seed in range(4)]
    agree("mr_snrd", values(read_series(making.write_series(tmp_path, noisy, "MR")))["mr_snrd"], 0.985 * ratio)


def with_scalp(scalp: float, seed: int) -> Image:
    """A head whose skull is dark and whose scalp has so much of its signal, less than any threshold finds."""
    distance = np.hypot(X / 60.0, Y / 70.0)
    image = np.where(distance < 0.85, SIGNAL, np.where((distance > 0.93) & (distance < 1.06), scalp * SIGNAL, 0.0))
    real, imaginary = np.random.default_rng(seed).normal(0.0, AIR, (2, *image.shape))
    return FINE * np.asarray(np.hypot(image + real, imaginary))


@pytest.mark.parametrize("scalp", [0.0, 0.1, 0.3])
def test_a_scalp_and_an_artefact_are_no_noise_of_air(tmp_path: Path, scalp: float) -> None:
    """The standard deviation of what is below a threshold was that of skull, scalp and artefacts."""
    images = [with_scalp(scalp, seed) for seed in range(4)]
    for image in images:
        image[4:14, 4:40] = 0.4 * FINE * SIGNAL
    agree("mr_snrd", values(read_series(making.write_series(tmp_path, images, "MR")))["mr_snrd"], 0.985 * SIGNAL / AIR)


def test_the_entropy_is_that_of_mriqc(head: MrSeries, result: dict[str, float]) -> None:
    image = np.rint(head.values).astype(np.float64)
    most = np.prod(image.shape) * (1.0 / np.sqrt(np.prod(image.shape))) * np.log(1.0 / np.sqrt(np.prod(image.shape)))
    largest = np.sqrt((image**2).sum())
    agree(
        "mr_efc", result["mr_efc"], float((1.0 / most) * np.sum((image / largest) * np.log((image + 1e-16) / largest)))
    )


def test_tissues_of_known_means(head: MrSeries) -> None:
    means = np.select([np.hypot(X, Y) < 20, np.hypot(X, Y) < 40, np.hypot(X, Y) < 60], [500.0, 700.0, 900.0], 0.0)
    volume = np.abs(means + np.random.default_rng(1).normal(0.0, 12.0, (8, *means.shape)))
    measured = values(head, volume)
    agree("mr_cjv", measured["mr_cjv"], (12.0 + 12.0) / 200.0)
    agree("mr_wm2max", measured["mr_wm2max"], float(900.0 / np.percentile(volume, 99.95)))


def test_an_artefact_in_air_is_its_share(head: MrSeries) -> None:
    plain = head.values / FINE
    volume = np.where(plain > 200.0, np.random.default_rng(4).uniform(200.0, 800.0, plain.shape), plain)
    volume[:, 2:12, 2:22] = 120.0
    air = np.hypot(X / 66.0, Y / 81.0) > 1.0  # 3 % of the side away from the head
    agree("mr_qi1", values(head, volume)["mr_qi1"], float(200 / air.sum()))


@pytest.mark.parametrize("strength", [0.03, 0.1])
def test_ghosts(tmp_path: Path, strength: float) -> None:
    clean = making.head_mr(SIGNAL, 0.0)
    copied = clean + strength * np.roll(clean, SIDE // 2, axis=0)
    randoms = (np.random.default_rng(seed).normal(0.0, AIR, (2, SIDE, SIDE)) for seed in range(4))
    images = [np.asarray(np.hypot(copied + noise[0], noise[1])) for noise in randoms]
    measured = values(read_series(making.write_series(tmp_path, images, "MR")))
    agree("mr_ghost", measured["mr_ghost"], 100.0 * strength)
    patient = clean > 0.3 * SIGNAL
    near = ndimage.binary_dilation(patient, np.ones((13, 13)))  # 3 % of the side on each side
    ghost = np.roll(patient, SIDE // 2, axis=0) & ~near
    rest = ~near & ~ghost
    foreground = np.median(np.stack([one[patient] for one in images]))
    agree("mr_gsr", measured["mr_gsr"], float(max(one[ghost].mean() - one[rest].mean() for one in images) / foreground))


@pytest.mark.parametrize("ratio", [50.0, 100.0])
def test_noise_in_tissue(tmp_path: Path, ratio: float) -> None:
    images = [FINE * making.head_mr(SIGNAL, SIGNAL / ratio, seed) for seed in range(4)]
    agree("mr_noise", values(read_series(making.write_series(tmp_path, images, "MR")))["mr_noise"], 100.0 / ratio)


@pytest.mark.parametrize("shift_px", [40, 80])
def test_wrap_is_the_folded_width(tmp_path: Path, shift_px: int) -> None:
    width = 100.0 * float((np.roll(making.head_mr(air=0.0), shift_px, axis=0)[0] > 0.0).mean())
    images = [np.roll(making.head_mr(seed=seed, texture=0.1), shift_px, axis=0) for seed in range(4)]
    agree("mr_wrap", values(read_series(making.write_series(tmp_path, images, "MR")))["mr_wrap"], width)


@pytest.mark.parametrize("shift_px", [1, 3])
def test_motion_is_the_shift(head: MrSeries, shift_px: int) -> None:
    moved = values(head, head.values, np.roll(head.values, shift_px, axis=2))
    agree("mr_motion", moved["mr_motion"], shift_px * SPACING_MM)


@pytest.mark.parametrize("darker", [0.1, 0.5])
def test_a_jump_is_what_a_slice_lacks(head: MrSeries, darker: float) -> None:
    volume = head.values * np.where(np.arange(8) == 3, 1.0 - darker, 1.0)[:, None, None]
    agree("slice_jump", values(head, volume)["slice_jump"], 100.0 * darker)


@pytest.mark.parametrize("slope", [0.1, 0.25, 0.5])
def test_the_field_has_the_width_that_it_was_drawn_with(head: MrSeries, slope: float) -> None:
    uniform = np.where(making.head_mr(SIGNAL, 0.0) > 0.0, SIGNAL, 0.0)
    field = 1.0 + slope * np.linspace(-1.0, 1.0, SIDE)[:, None]
    noise = np.random.default_rng(3).normal(0.0, 8.0, (2, 8, *uniform.shape))
    inside = np.broadcast_to(field, uniform.shape)[uniform > 0.0]
    low, median, high = np.percentile(inside, [5.0, 50.0, 95.0])
    result = values(head, np.hypot(uniform * field + noise[0], noise[1]))
    agree("mr_inu_width", result["mr_inu_width"], float((high - low) / median))


def patient_of(image: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Bright pixels without isolated ones, by half of the signal and not by Otsu's threshold."""
    return np.asarray(ndimage.binary_opening(image > 0.3 * np.percentile(image, 99.0), np.ones((3, 3))))


def highest_peak(image: NDArray[np.float64]) -> float:
    """The definition of `mr_spikes`, with SciPy's filters and a whole spectrum."""
    patient = patient_of(image)
    fine = image - ndimage.gaussian_filter(image, 2.5, mode="mirror", truncate=4.0)
    limit = 2.5 * float(np.median(np.abs(fine[patient]))) / 0.6745
    spectrum = np.fft.fftshift(np.abs(np.fft.fft2(np.clip(fine, -limit, limit) * patient)))
    around = ndimage.uniform_filter(ndimage.median_filter(spectrum, 5, mode="nearest"), 9, mode="mirror")
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    counted = (np.hypot(y, x) / SIDE >= 0.04) & (y != 0) & (x != 0)
    return float((spectrum / np.maximum(around, np.median(spectrum) / 2.0))[counted].max())


@pytest.mark.parametrize("strength", [0.0, 0.02, 0.05])
def test_a_spike_is_the_peak_of_the_spectrum(head: MrSeries, strength: float) -> None:
    volume = head.values / FINE
    spectrum = np.fft.fft2(volume[3])
    spectrum[31, 40] += strength * abs(spectrum[0, 0])
    volume[3] = np.abs(np.fft.ifft2(spectrum))
    volume = np.rint(volume)
    agree("mr_spikes", values(head, volume)["mr_spikes"], max(highest_peak(one.astype(float)) for one in volume))


def test_edges_are_the_steepest_tenth(head: MrSeries, result: dict[str, float]) -> None:
    strengths = []
    for image in np.rint(head.values).astype(float):
        smooth, patient = ndimage.gaussian_filter(image, 1.0, mode="mirror", truncate=4.0), patient_of(image)
        x, y = (ndimage.sobel(smooth, axis, mode="mirror") / 8.0 for axis in (1, 0))
        squares = (x * x + y * y)[patient]
        steep = squares[squares >= np.percentile(squares, 90.0)]
        strengths.append(100.0 * np.sqrt(steep.mean()) / np.percentile(image[patient], 90.0))
    agree("mr_edges", result["mr_edges"], float(np.median(strengths)))
