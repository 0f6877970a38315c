"""What one slice has and the others have not, and lines of a picture: objects that are drawn, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_series.ct.doubled_contours import PASSED, ROLL_OFF, echoes
from miqa_series.mr.raw_lines import deepest_gap, energies
from miqa_series.mr.zipper import line_brightness
from tests.stages.measure.proofs.agreement import agree
from tests.stages.measure.series import making
from tests.stages.measure.series.making import SIDE, SPACING_MM
from tests.stages.measure.series.test_measures import judged, numbers

pytestmark = pytest.mark.more


def of_chest(
    folder: Path, change: Callable[[FileDataset], None], lost: int = 0, shift: float = 0.0
) -> dict[str, float]:
    """Eight slices; the third lacks so many rows, and its values are shifted."""
    images = [making.chest_ct(seed) for seed in range(8)]
    images[2] = images[2] + shift
    images[2][90 : 90 + lost] = -1024.0
    return numbers(judged(making.write_series(folder, images, "CT", change=change)))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_slices_with_another_header_are_counted(tmp_path: Path, count: int) -> None:
    def scaled(dataset: FileDataset) -> None:
        dataset.PixelSpacing = [2.5, 2.5] if dataset.InstanceNumber <= count else [SPACING_MM, SPACING_MM]
        dataset.SliceThickness = 2.0

    values = of_chest(tmp_path, scaled)
    agree("slices_differ", values["slices_differ"], count)
    agree("thickness_share", values["thickness_share"], 100.0 * 2.0 / 5.0)
    agree("body_size", values["body_size"], 2 * 70 * SPACING_MM)  # the radius of the drawn chest


@pytest.mark.parametrize("shift", [-60.0, 100.0])
@pytest.mark.parametrize("lost", [0, 8])
def test_lost_rows_are_counted_and_a_shift_has_its_size(tmp_path: Path, lost: int, shift: float) -> None:
    values = of_chest(tmp_path, lambda _: None, lost, shift)
    agree("lines_lost", values["lines_lost"], lost)
    agree("slice_offset", values["slice_offset"], abs(shift))


@pytest.mark.parametrize("strength", [0.2, 0.5])
def test_a_copy_has_the_peak_of_its_series(strength: float) -> None:
    """ln |1 + a e^iφ|² = 2 a cos φ − …: a at the copy's place and opposite, by the share of frequencies in use."""
    texture = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    copied = texture + np.float32(strength) * np.roll(texture, (3, 5), (0, 1))
    frequencies = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    used = float(np.clip((PASSED - frequencies) / ROLL_OFF, 0.0, 1.0).mean())
    agree("doubled_contours", 100.0 * echoes(copied)[12 + 3, 12 + 5], 100.0 * strength * used)


@pytest.mark.parametrize("percent", [0.0, 10.0, 30.0])
def test_a_line_has_its_brightness(percent: float) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    image = np.where(np.hypot(y / 70, x / 55) < 1, 100.0, 0.0).astype(np.float32)
    air = np.hypot(y / 80, x / 65) > 1
    image[::2, 90] += percent
    agree("mr_zipper", float(line_brightness(image, air).max()), percent)


def test_lines_of_one_side_leave_half_of_the_amplitude() -> None:
    texture = cv2.GaussianBlur(np.random.default_rng(1).normal(size=(256, 256)), (0, 0), 0.7)
    spectrum = np.fft.fftshift(np.fft.fft2(100.0 + texture))
    spectrum[128 + 20 : 128 + 28] = 0.0
    image = np.abs(np.fft.ifft2(np.fft.ifftshift(spectrum)))
    power = np.abs(np.fft.fftshift(np.fft.fft2(image))) ** 2
    agree("mr_raw_lines", deepest_gap(energies(power)), 20.0 * np.log10(2.0))
