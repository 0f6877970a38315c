"""What ordinary scans show and is no fault: each of these was flagged on a real series of a scanner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from miqa_node.core.domain.assessment import Measurement
from miqa_series.ct.noise import CLASS_HU, CLASSES, CT_NOISE, SliceNoise
from tests.stages.measure.drawn_series import Image, body, flags, heads, judged, value, write
from tests.stages.measure.series import making
from tests.stages.measure.test_round_patients import circle, noisy
from tests.stages.measure.test_slice_kinds import given

pytestmark = pytest.mark.more


def with_aorta(image: Image) -> Image:
    """A vessel with contrast medium, of 21 mm around the middle of the image."""
    return np.where(circle(7) < 1, 130.0, image)


def with_edge(image: Image) -> Image:
    """Air that ends in a step at the edge of the field."""
    return np.where(circle(79) < 1, image, -1024.0) + np.where((circle(79) < 1) & (circle(77.5) >= 1), 55.0, 0.0)


def with_ring(image: Image) -> Image:
    """Thirty HU more in one detector channel."""
    return np.asarray(image + np.where(np.abs(circle(1) - 30) < 1, 30.0, 0.0))


@pytest.mark.parametrize("change", [with_aorta, with_edge], ids=lambda one: one.__name__)
def test_what_lies_around_the_middle_is_no_ring_and_a_ring_is_one(change: object, tmp_path: Path) -> None:
    images = [change(body(0.5, seed)) for seed in range(6)]  # type: ignore[operator]
    plain, disposition = judged(write(tmp_path / "plain", images, "CT"))
    assert "ring_index" not in flags(disposition)
    ring, _ = judged(write(tmp_path / "ring", [with_ring(one) for one in images], "CT"))
    rings = value(plain, "ring_index"), value(ring, "ring_index")
    assert rings[0] is not None
    assert rings[1] is not None
    assert rings[0] < 4.0
    assert rings[1] > 8.0


def windows(deviation_hu: float, count: int) -> NDArray[np.intp]:
    """So many windows of soft tissue with this deviation."""
    counts = np.zeros(CLASSES, np.intp)
    counts[int(deviation_hu / CLASS_HU)] = count
    return counts


def test_the_vertex_has_no_noise_of_its_own() -> None:
    """There, a few windows between skull and air look like soft tissue: as in real heads of two makers."""
    brain = [SliceNoise(place, windows(4.0, 50_000)) for place in range(20)]
    end = [SliceNoise(20 + place, windows(120.0, 600)) for place in range(3)]
    measured = CT_NOISE.take(None, [*brain, *end])  # type: ignore[arg-type]
    assert isinstance(measured, Measurement)
    assert measured.place == ""
    assert measured.value == pytest.approx(4.0, abs=1.0)


def test_two_noisy_slices_speak_for_the_series(tmp_path: Path) -> None:
    images = [body(0.5, seed, noise=60.0 if seed in {5, 6} else 12.0) for seed in range(12)]
    noise = value(judged(write(tmp_path, images, "CT"))[0], "ct_noise")
    assert noise is not None
    assert noise > 30.0


@pytest.mark.parametrize(("exposure", "is_told"), [("178", True), ("300", True), ("10268", False)])
def test_an_exposure_of_a_whole_scan_is_no_dose_of_a_rotation(exposure: str, is_told: bool, tmp_path: Path) -> None:
    def exposed(ds: FileDataset) -> None:
        making.fine(ds)
        ds.Exposure, ds.XRayTubeCurrent, ds.ExposureTime = exposure, "150", "1186"

    images = [making.layered_ct(seed=seed) for seed in range(2)]
    assessment, disposition = judged(making.write_series(tmp_path, images, "CT", change=exposed))
    assert (value(assessment, "noise_for_dose") is not None) is is_told
    assert "noise_for_dose" not in flags(disposition)


def test_air_beside_a_body_that_the_field_cuts_is_not_air(tmp_path: Path) -> None:
    """Values near the edge of a field that is too small are wrong: 40 HU too high in a real chest."""
    wide = np.hypot(*(np.mgrid[:160, :160] - 79.5) * np.array([1.7, 1.0])[:, None, None])
    images = [noisy(np.where(wide < 70, 45.0, np.where(wide < 95, -100.0, -958.0)), seed) for seed in range(6)]
    whole = [noisy(np.where(wide < 60, 45.0, np.where(wide < 72, -100.0, -958.0)), seed) for seed in range(6)]
    cut, of_cut = judged(write(tmp_path / "cut", [np.where(circle(79) < 1, one, -958.0) for one in images], "CT"))
    assert value(cut, "hu_air") is None
    assert flags(of_cut) <= {"truncation", "ring_index", "doubled_contours"}, "a drawn edge has copies of its steps"
    assert "hu_air" in flags(judged(write(tmp_path / "whole", whole, "CT"))[1])


@pytest.mark.parametrize("pitch_mm", [0.9, 1.4])
def test_noise_is_white_in_coarse_pixels(pitch_mm: float, tmp_path: Path) -> None:
    images = [making.layered_ct(seed=seed, texture_px=0.0 if pitch_mm > 1 else 1.0) for seed in range(3)]
    paths = making.write_series(tmp_path, images, "CT", change=given(PixelSpacing=[pitch_mm, pitch_mm]))
    assessment, disposition = judged(paths)
    assert (value(assessment, "noise_whiteness") is None) is (pitch_mm > 1.0)
    assert "noise_whiteness" not in flags(disposition)


def test_air_in_front_of_a_head_has_no_order(tmp_path: Path) -> None:
    air, band = np.random.default_rng(0), np.sin(np.arange(96) / 4.0)
    empty = [np.hypot(*air.normal(0.0, 3.0, (2, 96, 96))) + 4.0 * (1.0 + (-1) ** k * band) for k in range(6)]
    images = [*empty[:3], *heads(14, side=96), *empty[3:]]
    assessment, disposition = judged(write(tmp_path, images, "MR"))
    assert "slice_disorder" not in flags(disposition)
    mixed = [*images[:8], images[9], images[8], *images[10:]]
    assert "slice_disorder" in flags(judged(write(tmp_path / "mixed", mixed, "MR"))[1])
    assert value(assessment, "slice_disorder") is not None


def test_slices_that_all_end_in_folds_have_no_noise_of_their_own(tmp_path: Path) -> None:
    """Towards the back of a head no tissue is even; slice after slice looks like noise there."""
    folds = np.random.default_rng(1)
    images = heads(24, side=160)
    for image in images[14:]:
        image[image > 200] *= 1.0 + 0.25 * folds.normal(size=image.shape)[image > 200]
    assessment, disposition = judged(write(tmp_path, images, "MR"))
    measured = assessment.measurement("mr_noise")
    assert measured is not None
    assert not measured.place
    assert "mr_noise" not in flags(disposition)
