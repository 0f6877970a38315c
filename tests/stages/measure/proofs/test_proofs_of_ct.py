"""CT: numbers of drawn bodies whose truth is known, or follows from a derivation that shares no code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from miqa_series.ct.nps_frequency import FIRST, PATCH
from tests.stages.measure.proofs.agreement import agree
from tests.stages.measure.series import making
from tests.stages.measure.series.making import FLATNESS, SIDE, SPACING_MM, Image
from tests.stages.measure.series.test_measures import judged, numbers
from tests.stages.measure.series.test_stacks import walk

pytestmark = pytest.mark.more

Y, X = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2


def of(
    folder: Path, images: Sequence[Image], change: Callable[[FileDataset], None] | None = making.fine
) -> dict[str, float]:
    return numbers(judged(making.write_series(folder, list(images), "CT", change=change)))


def layered(change: Callable[[Image], Image], noise_hu: float = 8.0) -> list[Image]:
    return [change(making.layered_ct(noise_hu, seed)) for seed in range(4)]


@pytest.mark.parametrize("noise_hu", [8.0, 20.0, 40.0])
def test_white_noise(tmp_path: Path, noise_hu: float) -> None:
    result = of(tmp_path, [making.body_ct(noise_hu, seed=seed) for seed in range(4)], None)
    agree("ct_noise", result["ct_noise"], noise_hu)
    agree("air_noise", result["air_noise"], noise_hu)
    agree("ct_snr", result["ct_snr"], 1040.0 / noise_hu)


@pytest.mark.parametrize("shift_hu", [-10.0, 0.0, 30.0])
def test_hounsfield_units(tmp_path: Path, shift_hu: float) -> None:
    result = of(tmp_path, layered(lambda image: image + shift_hu))
    agree("hu_air", result["hu_air"], -1000.0 + shift_hu)
    agree("hu_fat", result["hu_fat"], -100.0 + shift_hu)
    agree("hu_soft_tissue", result["hu_soft_tissue"], 50.0 + shift_hu)
    agree("hu_offset", result["hu_offset"], shift_hu)


@pytest.mark.parametrize("edge_px", [0.8, 1.0, 1.5])
def test_the_edge_of_a_known_blur(tmp_path: Path, edge_px: float) -> None:
    result = of(tmp_path, [making.layered_ct(8.0, seed, 1.0, edge_px) for seed in range(6)])
    agree("skin_mtf_50", result["skin_mtf_50"], float(np.sqrt(2.0 * np.log(2.0)) / (2.0 * np.pi * edge_px)))


def test_noise_for_thickness_size_and_dose(tmp_path: Path) -> None:
    """The formulas, from the area of the drawn body; its header says 5 mm, 20 mAs and 120 kV."""
    result = of(tmp_path, [making.layered_ct(8.0, seed, 1.0, 0.8) for seed in range(6)])
    water_mm2 = np.pi * 0.8 * (62.0**2 * 1.05 + (78.0**2 - 62.0**2) * 0.9)
    diameter_mm = 2.0 * np.sqrt(water_mm2 / np.pi)
    sharpness = (0.3 / result["skin_mtf_50"]) ** 1.5
    noise = result["ct_noise"] * np.sqrt(5.0) * sharpness
    agree("normalised_noise", result["normalised_noise"], noise * 250.0 / diameter_mm)
    of_dose = np.sqrt(20.0 / 100.0) * np.exp(-0.00475 * (diameter_mm - 250.0))
    agree("noise_for_dose", result["noise_for_dose"], float(noise * of_dose))


def test_white_noise_is_white(tmp_path: Path) -> None:
    result = of(tmp_path, [making.layered_ct(20.0, seed, 0.0) for seed in range(4)])
    agree("noise_whiteness", result["noise_whiteness"], 100.0)


def known_frequency(smooth_px: float) -> float:
    """Of white noise after the kernel, in 1/mm for pixels of 1 mm: the spectrum of the kernel, class by class."""
    impulse = np.zeros((256, 256))
    impulse[128, 128] = 1.0
    kernel = cv2.GaussianBlur(impulse, (0, 0), smooth_px) if smooth_px else impulse
    power, frequency = np.abs(np.fft.fft2(kernel)) ** 2, np.fft.fftfreq(256)
    cycles = np.rint(np.hypot(frequency[:, None], frequency[None]) * PATCH).astype(int)
    classes = np.arange(FIRST, PATCH // 2 + 1)
    mean = np.array([power[cycles == one].mean() for one in classes])
    return float((mean * classes).sum() / mean.sum() / PATCH)


@pytest.mark.parametrize("smooth_px", [0.0, 0.6, 1.0, 1.5])
def test_the_frequency_of_known_noise(tmp_path: Path, smooth_px: float) -> None:
    images = [making.layered_ct(20.0, seed, smooth_px) for seed in range(12)]
    agree("nps_frequency", of(tmp_path, images)["nps_frequency"], known_frequency(smooth_px))


@pytest.mark.parametrize(("width_mm", "share"), [(2, 2 / 3), (4, 2 / 5)])
@pytest.mark.parametrize("ring_hu", [10.0, 40.0])
def test_a_ring(tmp_path: Path, ring_hu: float, width_mm: int, share: float) -> None:
    """The mean over 6 mm takes a third of a ring of 2 mm away, and of one of 4 mm three fifths with its edges."""
    ring = ring_hu * (np.abs(np.hypot(Y, X) - 30.0) < width_mm / 2)
    agree("ring_index", of(tmp_path, layered(lambda image: image + ring))["ring_index"], share * ring_hu)


@pytest.mark.parametrize("amplitude_hu", [30.0, 120.0])
def test_rays(tmp_path: Path, amplitude_hu: float) -> None:
    result = of(tmp_path, layered(lambda image: making.with_streaks(image, amplitude_hu)))
    agree("streak_index", result["streak_index"], 1.4 * amplitude_hu)


def strongest_direction(image: Image) -> float:
    """Power of the strongest of 36 sectors over the median one, summed frequency by frequency of a full spectrum."""
    rows, columns = image.shape
    power = np.abs(np.fft.fft2(image)) ** 2
    sums, counts = np.zeros(36), np.zeros(36)
    for row in range(rows):
        down = row / rows - (row >= rows / 2)
        for column in range(columns // 2 + 1):
            right = column / columns
            if 0.08 < np.hypot(down, right) < 0.4:
                sector = int((np.arctan2(down, right) + np.pi / 2) / np.pi * 36) % 36
                sums[sector] += power[row, column]
                counts[sector] += 1
    mean = sums / counts
    return float(mean.max() / np.median(mean))


def test_parallel_lines(tmp_path: Path) -> None:
    images = layered(lambda image: image + 5.0 * np.sin(np.arange(SIDE) * 1.2)[:, None])
    side = 7  # of the window of 6 mm at 1 mm a pixel
    directions = []
    for image in np.rint(images):
        mean = cv2.blur(image, (side, side))
        tissue = cv2.erode(((image > -150) & (image < 250)).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        soft = tissue & (mean > -50) & (mean < 150)
        directions.append(strongest_direction(np.where(soft, np.clip(image - mean, -100, 100), 0.0)))
    agree("streak_direction", of(tmp_path, images)["streak_direction"], max(directions))


def test_truncation_is_the_arc_that_the_body_covers(tmp_path: Path) -> None:
    right_px, angle = 30, np.linspace(0.0, 2.0 * np.pi, 20000)
    y, x = (SIDE / 2 - 1.5) * np.sin(angle), (SIDE / 2 - 1.5) * np.cos(angle)
    body = np.roll(making.body_ct(radius_mm=150.0), right_px, axis=1)
    body[:, :right_px] = -1000.0
    share = float((np.hypot(y / FLATNESS, x - right_px) * SPACING_MM < 150.0).mean())
    agree("truncation", of(tmp_path, [body] * 3, None)["truncation"], 100.0 * share)


def test_metal_is_its_share_of_the_body(tmp_path: Path) -> None:
    images = [making.body_ct(seed=seed) for seed in range(6)]
    images[2] = making.with_metal(images[2])
    body_px = np.pi * (140.0 / SPACING_MM) ** 2 * FLATNESS * 6
    agree("metal_share", of(tmp_path, images, None)["metal_share"], 100.0 * 160 / body_px)


def test_slices_are_counted(tmp_path: Path) -> None:
    whole = walk()
    places = [5.0 * number for number in range(len(whole))]

    def result(name: str, images: Sequence[Image], at: list[float]) -> dict[str, float]:
        return numbers(judged(making.write_series(tmp_path / name, list(images), "CT", places_mm=at)))

    without = [number for number in range(len(whole)) if number not in (4, 8)]
    agree("slice_gaps", result("gaps", [whole[n] for n in without], [places[n] for n in without])["slice_gaps"], 2.0)
    doubled = [*range(6), 5, *range(6, len(whole))]
    overlaps = result("twice", [whole[n] for n in doubled], [places[n] for n in doubled])
    agree("slice_overlaps", overlaps["slice_overlaps"], 1.0)
    repeated = [*whole[:5], whole[4], *whole[6:]]
    agree("slices_repeated", result("repeated", repeated, places)["slices_repeated"], 1.0)
    blank = [np.full_like(one, -1000.0) if n in (4, 5) else one for n, one in enumerate(whole)]
    agree("slices_blank", result("blank", blank, places)["slices_blank"], 2.0)


def test_slices_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    paths = making.write_series(tmp_path, walk(), "CT")
    for path in paths[3:5]:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
    agree("slices_unreadable", numbers(judged(paths))["slices_unreadable"], 2.0)


def detour(looks: Sequence[NDArray[np.float64]]) -> float:
    """The largest ratio of the definition, as sums over pixels; those with the first or last slice count less."""

    def apart(one: int, other: int) -> float:
        return float(np.sqrt(((looks[one] - looks[other]) ** 2).mean()))

    last, ratios = len(looks) - 1, [0.0]
    for a in range(last):
        for length in (2, 3):  # slices from b to c may have been turned round between a and d
            b, c, d = a + 1, a + length, a + length + 1
            if d <= last:
                turned = (apart(a, b) + apart(c, d)) / (apart(a, c) + apart(b, d))
                ratios.append(turned / (1.05 if a == 0 or d == last else 1.0))
        if a + 2 <= last:
            ratio = (apart(a, a + 1) + apart(a + 1, a + 2)) / (2.0 * apart(a, a + 2))
            ratios.append(ratio / (1.05 if a == 0 or a + 2 == last else 1.0))
    return max(ratios)


def test_an_exchanged_slice_is_a_detour(tmp_path: Path) -> None:
    images = walk()
    images[5], images[8] = images[8], images[5]
    looks = []
    for image in images:
        small = np.rint(image).reshape(64, SIDE // 64, 64, SIDE // 64).mean(axis=(1, 3))
        looks.append((small - small.mean()) / small.std())
    result = numbers(judged(making.write_series(tmp_path, images, "CT")))
    agree("slice_disorder", result["slice_disorder"], detour(looks))
