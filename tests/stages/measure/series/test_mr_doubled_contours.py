"""Motion within a volume: raw data of a head before and after it moved make doubled contours, however it moved."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.stages.measure.series_view import SeriesView, SliceTools, SliceView
from miqa_node.stages.measure.slices import read_slices
from miqa_series.mr.doubled_contours import MR_DOUBLED_CONTOURS, occupied
from tests.stages.measure.series import making
from tests.stages.report.flagged import decode

LIMIT = 8.0
"""That of the shipped policy."""


def head(seed: int) -> making.Image:
    """With structure in it that changes from slice to slice, as a brain has."""
    structure = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(making.SIDE, making.SIDE)), (0, 0), 0.7)
    return np.asarray(making.head_mr(air=4.0, seed=seed) * (1.0 + 0.5 * structure))


def moved(image: making.Image, axis: int, right: float, down: float, turn_deg: float) -> making.Image:
    """The lines after the middle of the raw data are of a head that was turned and shifted."""
    rows, columns = image.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn_deg, 1.0)
    matrix[:, 2] = matrix[:, 2] + np.array([right, down])
    later = np.fft.fft2(cv2.warpAffine(image, matrix, (columns, rows), flags=cv2.INTER_LANCZOS4))
    before = np.fft.fft2(image)
    lines = np.fft.fftfreq(image.shape[axis]) > 0.08
    return np.abs(np.fft.ifft2(np.where(lines[:, None] if axis == 0 else lines[None], later, before)))


def strength(
    folder: Path,
    change: Callable[[making.Image], making.Image],
    count: int = 12,
    spacing_mm: tuple[float, float] = (2.0, 2.0),
) -> object:
    """Of so many slices, each changed in the same way."""

    def spaced(dataset: FileDataset) -> None:
        dataset.PixelSpacing = list(spacing_mm)

    paths = making.write_series(folder, [change(head(seed)) for seed in range(count)], "MR", change=spaced)
    slices = read_slices([(InstanceDigest(str(number)), path) for number, path in enumerate(paths)])
    series = SeriesView(read_header(paths[0])[0], slices, SliceTools(decode))
    assert MR_DOUBLED_CONTOURS.each is not None
    views = [SliceView(series, place, decode(one.path, one.frame)) for place, one in enumerate(slices)]
    parts = [part for view in views if (part := MR_DOUBLED_CONTOURS.each(view)) is not None]
    return MR_DOUBLED_CONTOURS.take(series, parts)


def test_a_head_that_kept_still_has_no_copy(tmp_path: Path) -> None:
    result = strength(tmp_path, lambda image: image)
    assert isinstance(result, float)
    assert result < LIMIT


@pytest.mark.parametrize(
    ("axis", "motion"),
    [(0, (3.0, 0.0, 0.0)), (1, (3.0, 0.0, 0.0)), (0, (-2.0, 2.0, 2.0))],
    ids=["across", "along", "turned"],
)
def test_a_head_that_moved_has_one(tmp_path: Path, axis: int, motion: tuple[float, float, float]) -> None:
    right, down, turn_deg = motion
    result = strength(tmp_path, partial(moved, axis=axis, right=right, down=down, turn_deg=turn_deg))
    assert isinstance(result, float)
    assert result > 1.5 * LIMIT


@pytest.mark.parametrize("spacing_mm", [(2.0, 4.0), (4.0, 2.0), (2.0, 3.0)], ids=str)
def test_pixels_that_are_no_squares_are_no_copy_and_hide_none(tmp_path: Path, spacing_mm: tuple[float, float]) -> None:
    columns, rows = (round(making.SIDE * 2.0 / pitch) for pitch in reversed(spacing_mm))

    def coarse(image: making.Image) -> making.Image:
        return np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA))

    def twice(image: making.Image) -> making.Image:
        return coarse(moved(image, 0, 4.0, 0.0, 0.0))

    still, copied = (strength(tmp_path / one.__name__, one, spacing_mm=spacing_mm) for one in (coarse, twice))
    assert isinstance(still, float)
    assert isinstance(copied, float)
    assert still < LIMIT < copied


def test_what_a_scanner_interpolated_is_no_copy(tmp_path: Path) -> None:
    """Half of the lines are filled with zeros: the spectrum ends there along both axes."""

    def coarse(image: making.Image) -> making.Image:
        lines = np.abs(np.fft.fftfreq(making.SIDE)) < 0.25
        return np.abs(np.fft.ifft2(np.fft.fft2(image) * lines[:, None] * lines[None]))

    result = strength(tmp_path, coarse)
    assert isinstance(result, float)
    assert result < LIMIT


def test_a_spectrum_ends_where_noise_begins() -> None:
    falling = np.linspace(20.0, 0.0, 100)
    assert occupied(falling) > 0.45
    assert occupied(np.maximum(falling, 10.0)) == pytest.approx(0.5 * 45 / 100, abs=0.02)


def test_a_few_slices_give_no_number(tmp_path: Path) -> None:
    assert strength(tmp_path, lambda image: image, count=11) is None
