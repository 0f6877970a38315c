"""The landmark package that ships: it passes its checks, and its card's figures are true."""

from __future__ import annotations

import pytest

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.landmarks.sidecar import LandmarkSidecar, open_landmarks
from miqa_node.stages.assess.sidecars import landmark_package


@pytest.fixture(scope="module")
def package() -> LandmarkSidecar:
    settings = load_settings(None)
    folder = settings.models_dir / landmark_package(settings)
    return open_landmarks(folder, Accelerator.CPU, settings.assess)


def test_the_aims_are_reached_by_the_card(package: LandmarkSidecar) -> None:
    figures = package.card.metrics["development_set"]["all"]
    assert figures["median_error_percent"] <= 2.0
    assert figures["rotation_percent_auroc"] >= 0.9
    assert figures["cut_auroc"] >= 0.9


def test_its_rotation_and_cuts_are_what_readers_call_so(package: LandmarkSidecar) -> None:
    rules = {one.name: one.rule for one in package.card.findings if one.rule is not None}
    assert {"patient_rotated", "lung_cut_bottom"} <= set(rules)
    assert rules["patient_rotated"].weights["clavicles_visible"] != 0.0
    figures = package.card.metrics["reader_rules"]
    assert min(one["auroc"] for one in figures["rotated"].values()) >= 0.83
    assert figures["rotated"]["all"]["found"] >= 0.7
    assert figures["rotated"]["all"]["called"] <= 0.2
    assert figures["cut"]["all"]["auroc"] >= 0.9
    graded = figures["cut_by_grade"]["all"]
    assert graded["auroc"] > graded["auroc_before"]


def test_side_markers_are_read_and_right_ones_are_not_called_wrong(package: LandmarkSidecar) -> None:
    figures = package.card.metrics["side_markers"]["development_set"]
    assert all(one["wrongly_flagged"] <= 0.02 for one in figures.values())
    assert all(one["mirrored_flagged"] >= 0.5 for one in figures.values())
