"""Contrast as it is displayed: windows that do not fit are found and flagged, whatever the model says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from miqa_node.assess import displayed
from miqa_node.assess.displayed import displayed_defect
from miqa_node.assess.measure.projection import measure
from miqa_node.degrade.display_window import WindowError, mistake_window
from miqa_node.domain.image import Radiograph
from miqa_node.imaging.frame import decode_frame
from miqa_node.settings import share_dir
from miqa_node.taxonomy.policy_file import parse_policy
from tests.unit.measure.phantoms import header

FINDING = "contrast_processing"


@pytest.fixture(scope="module")
def chest(samples: Path) -> np.ndarray:
    """A real chest radiograph as presentation values in [0, 1]."""
    return np.asarray(decode_frame(samples / "RG1_UNCR.dcm", 0, 10**8).display / 65535.0, np.float32)


def defect(image: np.ndarray) -> tuple[float, float]:
    values = np.asarray(np.rint(image * 65535.0), np.uint16)
    found = measure(Radiograph(values, values, (0, 65535), None), header())
    return displayed_defect({one.name: one.value for one in found})


def test_an_ordinary_chest_is_well_displayed(chest: np.ndarray) -> None:
    probability, severity = defect(chest)
    assert probability < 0.05
    assert severity == 0.0


@pytest.mark.parametrize("error", list(WindowError))
def test_wrong_windows_are_found_and_the_worse_the_surer(chest: np.ndarray, error: WindowError) -> None:
    series = [defect(mistake_window(chest, error, s, np.random.default_rng(5))) for s in (0.25, 0.5, 0.75, 1.0)]
    assert [p for p, _ in series] == sorted(p for p, _ in series)
    assert [s for _, s in series] == sorted(s for _, s in series)
    assert series[2][0] > 0.8
    assert series[3][1] > 0.5


def test_a_window_without_error_changes_nothing_and_a_seed_repeats_it(chest: np.ndarray) -> None:
    rng = np.random.default_rng
    assert np.array_equal(mistake_window(chest, WindowError.WIDE, 0.0, rng(1)), chest)
    again = [mistake_window(chest, WindowError.WIDE, 0.6, rng(1)) for _ in range(2)]
    assert np.array_equal(*again)


def test_black_beside_a_limb_is_no_defect() -> None:
    assert displayed_defect({"displayed_contrast": 60.0, "crushed_dark_share": 50.0}, chest=False)[0] < 0.01
    assert displayed_defect({"displayed_contrast": 60.0, "crushed_dark_share": 50.0})[0] > 0.99


def test_the_limits_are_those_of_the_shipped_policy() -> None:
    policy = parse_policy(tomllib.loads((share_dir("config") / "policy.toml").read_text("utf-8")))
    limits = {rule.measurement: rule.limit for rule in policy.scopes[0].measurements if rule.finding == FINDING}
    assert limits == {
        "displayed_contrast": displayed.FLAT_LIMIT,
        "burnt_out_share": displayed.END_LIMIT,
        "crushed_dark_share": displayed.END_LIMIT,
    }
