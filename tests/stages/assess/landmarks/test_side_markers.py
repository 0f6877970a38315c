"""Side markers are read on radiographs of any part, counted by side, and held against the side in the header."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.landmarks import SideMarker
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings.policy import read_policy
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.local import LocalResult
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.landmarks.marker_measures import marker_agrees, marker_measurements
from tests.stages.assess.classify.test_sidecars import Quality
from tests.stages.assess.landmarks.making import letters_of, write_landmarks
from tests.stages.assess.landmarks.test_sidecar import judged, settings_of
from tests.stages.assess.making import chest_header, radiograph

KNEE: dict[str, Any] = {"body_part_examined": "KNEE", "view_position": "AP"}
COUNTS = ("left_markers", "right_markers", "marker_agrees")


def marked(folder: Path, letters: dict[str, tuple[float, float, float]], **header: Any) -> Assessment:
    write_landmarks(folder / "models/landmarks-1.0.0", letters=letters_of(letters))
    return judged(settings_of(folder), **header)


def counts(assessment: Assessment) -> dict[str, float]:
    return {one.name: one.value for one in assessment.measurements if one.name in COUNTS}


@pytest.mark.parametrize("header", [KNEE, {}, {"body_part_examined": "", "view_position": ""}, {"view_position": "LL"}])
def test_letters_are_counted_on_any_part(tmp_path: Path, header: dict[str, Any]) -> None:
    assessment = marked(tmp_path, {"R": (0.3, 0.3, 0.9), "L": (0.8, 0.8, 0.6)}, **header)
    assert counts(assessment) == {"left_markers": 0.0, "right_markers": 1.0}, "the L is too uncertain"
    right = assessment.measurement("right_markers")
    assert right is not None
    assert right.place == "R at 24 % of the width, 28 % of the height"
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))) == assessment, "it is stored whole"


def test_the_place_of_a_letter_is_one_in_the_whole_frame(tmp_path: Path) -> None:
    """Of an image with a shutter the package sees what is shown alone: here the right half, from a fifth down."""
    write_landmarks(tmp_path / "models/landmarks-1.0.0", letters=letters_of({"R": (0.3, 0.3, 0.9)}))
    valid = np.zeros((250, 320), bool)
    valid[50:, 160:] = True
    [right] = [one for one in judged(settings_of(tmp_path), valid=valid, **KNEE).measurements if one.place]
    assert right.place == "R at 62 % of the width, 42 % of the height"


def test_a_picture_that_the_gate_calls_another_kind_is_read_too(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0", letters=letters_of({"L": (0.3, 0.3, 0.9)}))
    assert counts(judged(settings_of(tmp_path), Quality(gate=0.9)))["left_markers"] == 1.0


@pytest.mark.parametrize(
    ("letter", "side", "agrees"), [("L", "L", 1.0), ("R", "L", 0.0), ("D", "R", 1.0), ("D", "L", 0.0), ("L", "B", None)]
)
def test_a_letter_of_the_other_side_is_a_hint_and_no_flag(
    tmp_path: Path, letter: str, side: str, agrees: float | None
) -> None:
    assessment = marked(tmp_path, {letter: (0.3, 0.3, 0.9)}, **KNEE, image_laterality=side)
    assert counts(assessment).get("marker_agrees") == agrees
    hints = [one for one in assessment.plausibility if one.name == "marker_contradicts_laterality"]
    assert len(hints) == (agrees == 0.0)
    if hints:
        assert hints[0].message == f"A marker {letter} is read in the picture, but laterality is {side}."
    decision = decide(assessment, read_policy(settings_of(tmp_path).policy_file))
    assert decision.verdict is not Verdict.REVIEW
    assert decision.verdict is not Verdict.REJECT


def test_json_says_where_the_letter_stands(tmp_path: Path) -> None:
    assessment = marked(tmp_path, {"R": (0.3, 0.3, 0.9)}, **KNEE)
    disposition = decide(assessment, read_policy(settings_of(tmp_path).policy_file))
    image = radiograph()
    result = LocalResult(tmp_path / "a.dcm", True, assessment, disposition, SaliencyMaps(), image)
    measurements = document(result.source, result, 0.1)["measurements"]
    assert measurements["right_markers"] == {
        "value": 1.0, "unit": "1", "made_by": "landmarks-1.0.0",
        "place": "R at 24 % of the width, 28 % of the height",
    }  # fmt: skip
    assert measurements["left_markers"] == {"value": 0.0, "unit": "1", "made_by": "landmarks-1.0.0"}


@pytest.mark.parametrize("modality", ["MG", "CT"])
def test_other_modalities_are_not_read(tmp_path: Path, modality: str) -> None:
    assert counts(marked(tmp_path, {"R": (0.3, 0.3, 0.9)}, modality=modality)) == {}


def test_a_package_without_a_reader_of_markers_counts_none(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0")
    assert counts(judged(settings_of(tmp_path), **KNEE)) == {}


@pytest.mark.parametrize(
    ("markers", "header"),
    [
        ([], {**KNEE, "image_laterality": "L"}),
        ([SideMarker("L", 0.1, 0.1, 0.9), SideMarker("R", 0.9, 0.1, 0.9)], {**KNEE, "image_laterality": "L"}),
        ([SideMarker("L", 0.1, 0.1, 0.9)], KNEE),
        ([SideMarker("L", 0.1, 0.1, 0.9)], {"image_laterality": "R"}),  # a chest has both sides
    ],
    ids=["no letter", "both letters", "no side", "no paired part"],
)
def test_nothing_is_compared_that_cannot_be(markers: Sequence[SideMarker], header: dict[str, Any]) -> None:
    assert marker_agrees(markers, chest_header(**header)) is None
    assert "marker_agrees" not in {one.name for one in marker_measurements(markers, chest_header(**header))}
