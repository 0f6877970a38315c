"""Measures of plain MR phantoms give the numbers with which a phantom was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_phantoms import mr_ghosting, mr_resolution, mr_slice_width, mr_snr, mr_uniformity
from miqa_phantoms.mr_slice_width import ANGLE, slice_width_mm
from miqa_phantoms.mr_uniformity import LINE_MM
from tests.packages.phantoms.plain_mr import SIGNAL, bottle, numbers, plain_stack, ramps, square

FRACTION = "fraction_within_10_percent_of_mean_of_roi"


def test_uniformity_follows_the_shading() -> None:
    result = numbers(mr_uniformity.MEASURE, plain_stack(bottle(shading=0.2)))
    edge = 1.0 + 0.2 * 0.75  # at the radius that encloses three quarters of the area
    assert result["uniformity_percent"] == pytest.approx(100.0 * (1.0 - (edge - 1.0) / (edge + 1.0)), abs=0.5)
    near = 100.0 * np.sqrt(0.1 / 0.2) / (LINE_MM / 2.0)  # where the signal is a tenth above that of the middle
    for name in ("horizontal_ipem", "vertical_ipem"):
        assert result[f"{FRACTION}.{name}"] == pytest.approx(near, abs=0.02)


def test_a_small_bottle_has_no_lines_and_no_squares() -> None:
    small = plain_stack(bottle(radius=25.0))
    for measure, names in (
        (mr_uniformity.MEASURE, [f"{FRACTION}.horizontal_ipem", f"{FRACTION}.vertical_ipem"]),
        (mr_snr.MEASURE, ["snr_smoothing.measured", "normalised_snr_subtraction"]),
    ):
        result = {one.name: one for one in measure.take(small)}
        assert [result[name].value for name in names] == [None] * len(names)
        assert all("smaller than" in result[name].reason for name in names)


@pytest.mark.parametrize("phase_columns", [True, False])
def test_ghosting_is_read_along_the_phase_encoding_only(phase_columns: bool) -> None:
    image = bottle(radius=22.0, centre=(40.0, 30.0))
    rows, columns = np.mgrid[0:256, 0:256]
    along = np.abs(columns - 168) < 22 if phase_columns else np.abs(rows - 158) < 22
    image = image + 0.02 * SIGNAL * (along & (image < 1.0))
    for says in (True, False):
        result = numbers(mr_ghosting.MEASURE, plain_stack(image, phase_columns=says))
        assert result["ghost_percent"] == pytest.approx(2.0 if says == phase_columns else 0.0, abs=0.1)
    silent = mr_ghosting.MEASURE.take(plain_stack(image, phase_columns=None))
    assert "phase encoding" in silent[0].reason
    wide = mr_ghosting.MEASURE.take(plain_stack(bottle()))
    assert "no room" in wide[0].reason


def test_signal_to_noise_by_smoothing_and_by_the_difference_of_two_scans() -> None:
    of = plain_stack(bottle(noise=10.0))
    alone = {one.name: one for one in mr_snr.MEASURE.take(of)}
    assert alone["snr_smoothing.measured"].value == pytest.approx(100.0, rel=0.06)
    assert "second scan" in alone["snr_subtraction.measured"].reason
    of.repeat = plain_stack(bottle(noise=10.0, seed=1))
    assert numbers(mr_snr.MEASURE, of)["snr_subtraction.measured"] == pytest.approx(100.0, rel=0.06)


@pytest.mark.parametrize(("tilt_deg", "gap"), [(0.0, 60.0), (1.5, 61.5)])
def test_slice_width_is_that_of_the_ramps_also_tilted_and_stretched(tilt_deg: float, gap: float) -> None:
    turn = np.radians(1.0)  # the phantom tilts in the slice: one ramp is longer, the other shorter
    top, bottom = (5.0 / np.tan(ANGLE + sign * turn) * gap / 60.0 for sign in (1.0, -1.0))
    result = numbers(mr_slice_width.MEASURE, plain_stack(ramps(top, bottom, gap, tilt_deg, noise=5.0)))
    assert result["slice_width_mm"] == pytest.approx(5.0, abs=0.1)
    assert result["slice_width_ramps_mm.top"] == pytest.approx(top * 60.0 / gap, abs=0.5)


def test_the_formula_of_ramps_knows_the_tilt() -> None:
    for degrees in (0.0, 1.0, 2.0):
        lengths = [5.0 / np.tan(ANGLE + sign * np.radians(degrees)) for sign in (1.0, -1.0)]
        assert slice_width_mm(*lengths) == pytest.approx(5.0, abs=0.01)


def test_resolution_is_that_of_the_blur_in_each_direction() -> None:
    across, down = 0.9, 1.3
    result = numbers(mr_resolution.MEASURE, plain_stack(square((across, down), noise=3.0), spacing=0.98))
    half = np.pi / np.sqrt(2.0 * np.log(2.0))  # of the period at which a Gaussian of one passes one half
    group = "pixel_size_of_resolution_mm"
    for name, blur in (("frequency", across), ("phase", down)):
        assert result[f"{group}.{name}"] == pytest.approx(0.98 * half * np.hypot(blur, np.sqrt(1.0 / 12.0)), rel=0.06)
    straight = mr_resolution.MEASURE.take(plain_stack(square((across, down), turn_deg=0.0)))
    assert "Turn it" in straight[0].reason


def test_what_is_no_such_phantom_says_why() -> None:
    for measure in (mr_slice_width.MEASURE, mr_resolution.MEASURE):
        for one in measure.take(plain_stack(bottle())):
            assert one.value is None
            assert "not found" in one.reason
