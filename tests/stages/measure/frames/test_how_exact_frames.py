"""What measurements of other modalities state as tolerance, on pictures whose faults have a known size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stages.measure.frames.making import speckle, values, write
from tests.stages.measure.frames.test_mammography import PITCH_MM, breast, described
from tests.stages.measure.frames.test_nuclear import body, spaced
from tests.stages.measure.frames.test_ultrasound import dead, region


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_gain_changes_with_the_gain(tmp_path: Path, gain: float) -> None:
    plain, louder = (
        values(write(tmp_path / "one.dcm", "US", [factor * speckle()], region))["us_gain"] for factor in (1.0, gain)
    )
    assert louder == pytest.approx(gain * plain, rel=0.05)


def test_white_and_black_are_those_of_the_picture(tmp_path: Path) -> None:
    bright = values(write(tmp_path / "bright.dcm", "US", [2 * speckle()], region))["us_white_share"]
    dark = values(write(tmp_path / "dark.dcm", "US", [0.3 * speckle()], region))["us_black_share"]
    assert bright == pytest.approx(5.5, abs=0.1)
    assert 100.0 * float((np.rint(2 * speckle()) >= 0.98 * 255).mean()) == pytest.approx(7.0, abs=0.1)
    assert dark == pytest.approx(100.0 * float((np.rint(0.3 * speckle()) <= 0.03 * 255).mean()), abs=1.0)


@pytest.mark.parametrize(("level", "least", "most"), [(0.2, 75.0, 79.0), (0.6, 25.0, 37.0)])
def test_dark_beams_give_about_what_they_lack(tmp_path: Path, level: float, least: float, most: float) -> None:
    for seed in range(3):
        path = write(tmp_path / "one.dcm", "US", [dead(speckle(seed), level)], region)
        assert least < values(path)["us_dropout"] < most


@pytest.mark.parametrize("reach_px", [180, 320])
def test_the_nipple_line_is_3_to_4_mm_short(tmp_path: Path, reach_px: int) -> None:
    line = values(write(tmp_path / "cc.dcm", "MG", [breast(reach_px)], described, bits=12))["mg_nipple_line"]
    assert 3.0 < reach_px * PITCH_MM - line < 4.0


def test_a_cut_and_a_saturated_breast_have_their_shares(tmp_path: Path) -> None:
    cut = values(write(tmp_path / "cut.dcm", "MG", [breast(middle=120)], described, bits=12))
    chord = 100.0 * 250 * np.sqrt(1.0 - (120 / 220) ** 2) / 400
    assert cut["mg_border_contact"] == pytest.approx(chord, abs=4.0)
    white = breast()
    white[250:350, :100] = 5000
    share = values(write(tmp_path / "white.dcm", "MG", [white], described, bits=12))["mg_saturated_share"]
    assert share == pytest.approx(100.0 * 100 * 100 / (np.pi / 2 * 250 * 220), rel=0.1)


@pytest.mark.parametrize(("counts", "even"), [(2000.0, 3.0), (10000.0, 1.5)])
def test_noise_and_holes_of_a_flood(tmp_path: Path, counts: float, even: float) -> None:
    def uniformity(hole: float) -> float:
        y, x = np.mgrid[:128, :128]
        mean = np.where(np.hypot(y - 64, x - 64) < 55, counts, 0.0)
        mean[60:72, 70:82] *= hole
        flood = np.random.default_rng(1).poisson(mean).astype(np.float64)
        return values(write(tmp_path / "one.dcm", "NM", [flood], bits=16))["nm_uniformity"]

    assert uniformity(1.0) == pytest.approx(even, abs=0.2)
    for hole in (0.9, 0.5):
        assert 0.0 < uniformity(hole) - 100.0 * (1.0 - hole) / (1.0 + hole) < 3.2


@pytest.mark.parametrize("shift_px", [2, 8])
def test_motion_is_the_shift(tmp_path: Path, shift_px: int) -> None:
    path = write(tmp_path / "moved.dcm", "NM", [*[body(0)] * 4, body(shift_px)], spaced, bits=16)
    assert values(path)["nm_motion"] == pytest.approx(4.0 * shift_px, abs=0.3 * 4.0)


@pytest.mark.parametrize("down_px", [35, 55])
def test_truncation_is_the_chord_at_the_border(tmp_path: Path, down_px: int) -> None:
    chord = 2 * 28 * np.sqrt(1.0 - ((127 - 64 - down_px) / 40) ** 2)
    share = values(write(tmp_path / "cut.dcm", "NM", [body(down_px)], bits=16))["nm_truncation"]
    assert share == pytest.approx(100.0 * chord / (4 * 127), abs=1.5)
