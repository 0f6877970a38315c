"""Each measurement says where it holds and how exact it is; what it says of repetition is so on drawn objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand
from tests.stages.measure.phantoms import chest, radiograph
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged, numbers
from tests.stages.measure.test_projection import values
from tools.measurements_page import measurements_page

REPEATED = re.compile(r"[Rr]epeated(?: with other noise)? within ([0-9]+(?:\.[0-9]+)?)( %)?")


"""The words of a tolerance: a share if a percent sign follows, else in the unit of the measurement."""
TIMES = 3


def of_chest(_: Path, seed: int) -> dict[str, float]:
    return values(radiograph(chest(noise=20.0, seed=seed)))


def of_ct(folder: Path, seed: int) -> dict[str, float]:
    images = [making.layered_ct(seed=100 * seed + number) for number in range(6)]
    return numbers(judged(making.write_series(folder, images, "CT", change=making.fine)))


def of_mr(folder: Path, seed: int) -> dict[str, float]:
    images = [30.0 * making.head_mr(seed=100 * seed + number) for number in range(6)]
    return numbers(judged(making.write_series(folder, images, "MR")))


@pytest.mark.parametrize("name", [one.name for one in MEASUREMENTS.plugins() if one.built_in])
def test_each_measurement_of_the_node_says_where_it_holds_and_how_exact_it_is(name: str) -> None:
    """One of another distribution may leave both out."""
    declared = MEASUREMENTS.all()[name]
    for text in (declared.validity, declared.tolerance):
        assert text, f"{name}: say what it is valid for, and its tolerance or that it is not known"
        assert text[-1] in ".)", f"{name}: {text}"


def test_a_plug_in_may_leave_both_out() -> None:
    other = Measurand(name="other", unit="1", label="Other", summary="Of another distribution.")
    assert (other.validity, other.tolerance) == ("", "")


def test_the_reference_prints_both_and_the_least_spread_of_usual_ranges() -> None:
    [row] = [line for line in measurements_page("").splitlines() if line.startswith("| `ct_noise`")]
    assert "<br>**Valid for:** Bodies with soft tissue" in row
    assert "<br>**Tolerance:** Within 7 %" in row
    assert "<br>**Usual ranges allow:** 3 % of the median." in row


def test_the_middle_of_a_ramp_has_its_part_of_the_grey_scale() -> None:
    ramp = np.tile(np.linspace(0, 4095, 1024), (1024, 1))
    assert values(radiograph(ramp))["displayed_contrast"] == pytest.approx(0.9 * 70.0, abs=0.2)


def test_faint_grid_lines_stand_out() -> None:
    lines = 1.0 + 0.003 * np.sin(2 * np.pi * 0.3 * np.arange(512))
    assert values(radiograph(chest(noise=10.0) * lines))["grid_peak"] > 10.0


@pytest.mark.more
@pytest.mark.parametrize("numbers_of", [of_chest, of_ct, of_mr])
def test_what_differs_in_noise_alone_differs_by_no_more_than_was_said(
    tmp_path: Path, numbers_of: Callable[[Path, int], dict[str, float]]
) -> None:
    repeated = [numbers_of(tmp_path / str(seed), seed) for seed in range(1, TIMES + 1)]
    stated = {name: limit for name in repeated[0] if (limit := REPEATED.search(MEASUREMENTS.all()[name].tolerance))}
    assert len(stated) >= 8
    for name, limit in stated.items():
        column = [one[name] for one in repeated]
        assert spread(column, is_share=bool(limit[2])) <= float(limit[1]), f"{name}: {column}"


def spread(column: Sequence[float], *, is_share: bool) -> float:
    """Largest minus smallest, in percent of the mean if ``is_share``."""
    return float(np.ptp(column)) * (100.0 / abs(float(np.mean(column))) if is_share else 1.0)
