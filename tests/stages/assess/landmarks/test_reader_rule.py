"""Rules that readers' grades fitted: what they look at, and that a package's rule is what makes the probability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.stages.assess.landmarks.card import PositioningPoint
from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate, mirror
from miqa_node.stages.assess.landmarks.findings import findings_of
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX, SIDES
from miqa_node.stages.assess.landmarks.reader_rule import (
    CUT_MEASURES,
    ROTATION_MEASURES,
    ReaderRule,
    cut_measures,
    rotation_measures,
)
from tests.stages.assess.landmarks.making import estimate_of, points_of, write_landmarks
from tests.stages.assess.landmarks.test_sidecar import judged, settings_of


def found(estimate: LandmarkEstimate, name: str, rule: ReaderRule | None) -> Finding:
    [finding] = findings_of(estimate, (400, 400), None, (), [PositioningPoint(name=name, threshold=0.5, rule=rule)])
    return finding


def test_a_rule_takes_the_place_of_the_network_s_own_probability() -> None:
    estimate = estimate_of(rotation=-0.4, grade=np.array([0.2, 0.0, 0.0, 0.0]))
    assert found(estimate, "patient_rotated", None).probability == pytest.approx(0.2)
    sized = found(estimate, "patient_rotated", ReaderRule(bias=-2.0, weights={"rotation": 10.0}))
    assert sized.probability == pytest.approx(1.0 / (1.0 + np.exp(-2.0)))
    assert sized.present


def test_rotation_looks_at_the_clavicles_and_at_the_chest_about_the_spine() -> None:
    straight = rotation_measures(estimate_of())
    assert set(straight) == set(ROTATION_MEASURES)
    assert straight["spine_aside"] == pytest.approx(0.0, abs=1e-9)
    hidden = np.full(12, 0.9)
    hidden[CLOSE_UP_INDEX[0]] = 0.1
    assert rotation_measures(estimate_of(visible=hidden))["clavicles_visible"] == pytest.approx(0.1)
    aside = rotation_measures(estimate_of(points=points_of(lat_l=(0.24, 0.6))))
    assert aside["spine_aside"] == pytest.approx(0.05 / 0.62)


def test_a_mirror_image_is_as_rotated_and_as_cut() -> None:
    estimate = estimate_of(
        points=points_of(lat_l=(0.05, 0.6), apex_r=(0.66, 0.12)), rotation=0.3, cut=np.array([0.7, 0.1, 0.2, 0.3])
    )
    there = mirror(estimate)
    assert rotation_measures(there) == pytest.approx(rotation_measures(estimate))
    assert cut_measures(there, "right") == pytest.approx(cut_measures(estimate, "left"))
    assert cut_measures(there, "bottom") == pytest.approx(cut_measures(estimate, "bottom"))


def test_a_cut_looks_at_where_the_lungs_end() -> None:
    measures = {side: cut_measures(estimate_of(points=points_of(lat_l=(-0.3, 0.6))), side) for side in SIDES}
    assert all(set(one) == set(CUT_MEASURES) for one in measures.values())
    assert measures["left"]["distance"] == -0.1, "farther outside says no more"
    assert measures["top"]["distance"] == 0.1
    assert [measures[side]["bottom"] for side in SIDES] == [0.0, 0.0, 0.0, 1.0]


def test_a_measure_that_this_version_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="no measure is called breath; update the node"):
        ReaderRule(bias=0.0, weights={"breath": 1.0})


def test_the_rule_of_a_package_judges_its_images(tmp_path: Path) -> None:
    rule = {"bias": -1.0, "weights": {"clavicles_visible": 5.0}}
    findings = [{"name": "patient_rotated", "threshold": 0.6, "rule": rule}]
    estimate = estimate_of(visible=np.full(12, 0.9), grade=np.array([0.01, 0.0, 0.0, 0.0]))
    write_landmarks(tmp_path / "models/landmarks-1.0.0", estimate, findings=findings)
    rotated = judged(settings_of(tmp_path)).finding(FindingName("patient_rotated"))
    assert rotated is not None
    assert rotated.present
    assert rotated.probability == pytest.approx(1.0 / (1.0 + np.exp(-3.5)), abs=1e-4)
