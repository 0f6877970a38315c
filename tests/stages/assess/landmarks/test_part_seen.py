"""A frontal chest is known by its lungs: recorded beside the header, a hint where that names another part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.image import Radiograph, SaliencyMaps
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.verdict import EXPERIMENTAL, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.interfaces.web.onepage.page import one_page
from miqa_node.local import LocalAssessor, LocalResult
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.landmarks.lungs_seen import shows_chest_by_both, shows_frontal_chest
from miqa_node.stages.conclusion.verdict import disposition_of
from miqa_node.stages.units.base import JudgingTools, installed
from miqa_node.stages.units.image import judge_here
from tests.stages.assess.landmarks.making import estimate_of, lungs_of, write_landmarks
from tests.stages.assess.landmarks.test_sidecar import judged, settings_of
from tests.stages.assess.making import radiograph

CHEST = {"left": (0.125, 0.25, 0.4375, 0.75), "right": (0.5625, 0.25, 0.875, 0.75)}
SPINE = {"left": (0.125, 0.05, 0.4375, 0.45), "right": (0.5625, 0.05, 0.875, 0.45)}
"""An image of the whole spine: lungs in its upper half."""
UNNAMED: dict[str, Any] = {"body_part_examined": "", "view_position": ""}
KNEE: dict[str, Any] = {"body_part_examined": "KNEE", "view_position": "AP"}
CONTRADICTION = "pixels_contradict_body_part"


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return read_policy(settings_of(tmp_path).policy_file)


def of(folder: Path, boxes: dict[str, tuple[float, float, float, float]], **header: Any) -> Assessment:
    write_landmarks(folder / "models/landmarks-1.0.0", estimate_of(lungs=lungs_of(boxes)))
    return judged(settings_of(folder), **header)


def test_lungs_must_be_two_high_and_reach_down() -> None:
    assert shows_frontal_chest(lungs_of(CHEST))
    assert not shows_frontal_chest(lungs_of(SPINE))
    assert not shows_frontal_chest(lungs_of({"left": CHEST["left"]}))
    low = {side: (x0, 0.4, x1, 0.75) for side, (x0, _, x1, _) in CHEST.items()}
    assert not shows_frontal_chest(lungs_of(low))


@pytest.mark.parametrize(
    ("bottom", "gate", "is_chest"),
    [(0.75, 0.001, True), (0.75, 0.05, False), (0.25, 0.001, False)],
    ids=["one lung is cut", "the gate doubts", "both lungs are low, as on a whole spine"],
)
def test_one_high_lung_and_a_sure_gate_tell_a_chest(bottom: float, gate: float, is_chest: bool) -> None:
    short = {"left": (0.125, 0.05, 0.4375, 0.3), "right": (0.5625, 0.05, 0.875, 0.05 + bottom)}
    assert not shows_frontal_chest(lungs_of(short))
    assert shows_chest_by_both(lungs_of(short), gate) is is_chest
    assert not shows_chest_by_both(lungs_of({"right": short["right"]}), gate)


def test_an_unnamed_image_counts_as_a_chest_where_its_lungs_say_so(tmp_path: Path, policy: Policy) -> None:
    assessment = of(tmp_path, CHEST, **UNNAMED)
    assert (assessment.part_seen, assessment.header.body_part_examined) == ("CHEST", "")
    assert decide(assessment, policy).verdict is Verdict.ACCEPT
    assert decide(assessment, policy).scope == "frontal chest radiograph"
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))) == assessment, "it is stored whole"
    judged_file = LocalResult(tmp_path, True, assessment, decide(assessment, policy), SaliencyMaps(), radiograph())
    assert document("a.png", judged_file, 0.1)["body_part"] == {"header": None, "pixels": "CHEST"}
    assert "CHEST, from the pixels" in one_page(judged_file, None, threshold=0.5)


def test_an_unnamed_image_without_such_lungs_is_never_accepted(tmp_path: Path, policy: Policy) -> None:
    assessment = of(tmp_path, SPINE, **UNNAMED)
    assert assessment.part_seen == ""
    disposition = decide(assessment, policy)
    assert (disposition.verdict, disposition.experimental) == (Verdict.NOT_ASSESSED, True)
    [reason] = disposition.reasons
    assert (reason.name, "the body part is unknown" in reason.text) == (EXPERIMENTAL, True)


@pytest.mark.parametrize(
    ("header", "agrees", "hint"),
    [({}, 1.0, False), (KNEE, 0.0, True), (UNNAMED, None, False)],
)
def test_a_chest_that_the_header_calls_a_knee_goes_to_a_person(
    tmp_path: Path, policy: Policy, header: dict[str, Any], agrees: float | None, hint: bool
) -> None:
    assessment = of(tmp_path, CHEST, **header)
    measured = assessment.measurement("part_agrees")
    assert (None if measured is None else measured.value) == agrees
    assert [one.name for one in assessment.plausibility if one.name == CONTRADICTION] == [CONTRADICTION] * hint
    disposition = decide(assessment, policy)
    assert [one.name for one in disposition.reasons if one.verdict.flagged] == [CONTRADICTION] * hint
    assert disposition.flagged is hint


COMBINED = sorted(term for term, parts in STANDARD.body_parts.combined.items() if "CHEST" in parts)


@pytest.mark.parametrize("part", [*COMBINED, "AORTA", "TRACHEA"])
def test_a_chest_contradicts_no_part_that_has_one_in_it(tmp_path: Path, part: str) -> None:
    """A babygram shows both lungs and is under no wrong patient."""
    assessment = of(tmp_path, CHEST, body_part_examined=part, view_position="AP")
    assert CONTRADICTION not in [one.name for one in assessment.plausibility]


def _decode_nothing(path: Path, frame: int = 0) -> Radiograph:
    raise AssertionError


def test_the_silent_days_of_an_unnamed_chest_are_those_of_chests(tmp_path: Path, policy: Policy) -> None:
    """Limits of chests could not end them."""
    assessment = of(tmp_path, CHEST, **UNNAMED)
    headers: list[Header] = []

    def silence(header: Header) -> str:
        headers.append(header)
        return "silent"

    judge = judge_here(_decode_nothing, lambda: ImageAssessor(None))
    tools = JudgingTools(judge, lambda: policy, lambda *_: "", silence=silence)
    image = replace(assessment.header, has_pixels=True, rows=64, columns=64)
    disposition = disposition_of(replace(assessment, header=image), image, tools, installed())
    assert disposition.experimental
    assert [header.body_part_examined for header in headers] == ["CHEST"]


@pytest.mark.more
@pytest.mark.long
@pytest.mark.shared
def test_no_real_image_of_another_part_passes_and_most_chests_do(shared_data: Path, tmp_path: Path) -> None:
    """The figures of docs/explanation/any-radiograph.md, on every fourth image."""
    assess = {"any_radiograph_package": "off", "objects_package": "off"}
    settings = load_settings(None, node={"data_dir": tmp_path, "accelerator": "cpu"}, assess=assess)
    with LocalAssessor(settings) as assessor:

        def seen(folder: str, body_part: str) -> list[bool]:
            files = sorted(one for one in (shared_data / folder).iterdir() if one.suffix in {".jpg", ".png"})[::4]
            return [assessor.assess_file(one, body_part=body_part).assessment.part_seen == "CHEST" for one in files]

        assert not any(seen("other_parts", "KNEE"))
        assert not any(seen("parts_train/images", "KNEE"))
        chests = seen("cxr_eval", "")
    assert sum(chests) >= 0.85 * len(chests)
