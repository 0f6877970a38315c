"""An image of another kind keeps its reason and what needs no anatomy, and contradicts a header that names a part."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Contribution, ModelIdentity, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import defect_names, finding_names, is_of_any_part, reason_code
from miqa_node.core.words.headline import headline
from miqa_node.core.words.narrative import sentences
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.local import LocalAssessor
from miqa_node.stages.assess.another_kind import of_another_kind, of_gate
from miqa_node.stages.assess.landmarks.lungs_seen import LITTLE_LUNG, shows_no_lungs
from miqa_node.stages.report.made import ReportSettings
from tests.stages.assess.making import chest_header

MODEL = ModelIdentity("quality", "1.0.0", "0" * 64)


def judged(gate: GateClass, probability: float) -> AssessorResult:
    """A judgement with every kind of result, in which the gate saw ``gate``."""
    rows = [Finding(name, reason_code(name), 0.9, 0.9, 0.5) for name in defect_names()]
    rows.append(Finding(FindingName.GATE, reason_code(gate), probability, probability, 0.5))
    name = rows[0].name
    assessment = Assessment(
        InstanceDigest("d" * 64), chest_header(), datetime.now(UTC), findings=tuple(rows), gate={gate: probability},
        plausibility=(PlausibilityIssue("inverted_look", "Lungs are brighter.", OTHER_FAILURE),),
        anomaly=AnomalyScore(0.5, 99.9), score=12.0, model=MODEL,
        contributions={name: (Contribution("noise_share", 3.0, "%", 1.0),)},
    )  # fmt: skip
    saliency = SaliencyMap(np.ones((8, 8), np.float32), "class-evidence")
    return AssessorResult(assessment, SaliencyMaps({name: saliency}, saliency))


def test_only_the_reason_and_what_needs_no_anatomy_stay() -> None:
    judgement = of_gate(judged(GateClass.NOT_FRONTAL_CHEST, 0.8))
    assessment = judgement.assessment
    assert assessment.is_of_another_kind
    assert assessment.not_assessed == "Not a frontal chest radiograph: the pixels show another kind of image."
    assert (assessment.score, assessment.anomaly) == (None, None)
    assert {one.name for one in assessment.findings} == {
        "motion_blur", "unsharp", "noise", "underexposure", "overexposure_saturation", "grid_artifact",
        "detector_overlay_artifact", "double_exposure",
    }  # fmt: skip
    assert [one.name for one in assessment.plausibility] == ["pixels_contradict_body_part"]
    assert set(assessment.contributions) == {"motion_blur"}
    assert judgement.maps == SaliencyMaps()
    assert assessment.model == MODEL, "which model saw it is part of the record"


@pytest.mark.parametrize(("part", "contradicts"), [("CHEST", True), ("", False)])
def test_a_header_that_names_no_part_is_contradicted_by_nothing(part: str, contradicts: bool) -> None:
    judgement = judged(GateClass.NOT_FRONTAL_CHEST, 0.8)
    header = replace(judgement.assessment.header, body_part_examined=part)
    issues = of_gate(
        replace(judgement, assessment=replace(judgement.assessment, header=header))
    ).assessment.plausibility
    assert [one.code for one in issues] == [OTHER_FAILURE] * contradicts, "no positioning error"
    assert all(
        one.message.startswith("No frontal chest in the pixels: check label, view and patient") for one in issues
    )


@pytest.mark.parametrize(
    ("gate", "probability"), [(GateClass.INVERTED, 0.9), (GateClass.BLANK, 0.9), (GateClass.NOT_FRONTAL_CHEST, 0.4)]
)
def test_a_chest_with_a_fault_keeps_its_findings(gate: GateClass, probability: float) -> None:
    judgement = judged(gate, probability)
    assert of_gate(judgement) is judgement


def field(share: float) -> NDArray[np.float64]:
    return np.full((2, 4, 4), share)


@pytest.mark.parametrize(
    ("upright", "turned", "gate", "none"),
    [
        (0.10, 0.0, 0.4, False),  # lungs
        (0.01, 0.01, 0.0, True),  # none at all
        (0.01, 0.12, 0.3, False),  # a chest that lies on its side
        (0.05, 0.0, 0.02, False),  # little lung, and the gate sees a chest
        (0.05, 0.0, 0.3, True),  # little lung, and the gate doubts
    ],
)
def test_lungs_are_looked_for_in_all_turns(upright: float, turned: float, gate: float, none: bool) -> None:
    questions: list[int] = []

    def look(turns: int) -> NDArray[np.float64]:
        questions.append(turns)
        return field(turned)

    assert shows_no_lungs(field(upright), gate, look) is none
    assert bool(questions) == (upright < LITTLE_LUNG), "a chest costs no further run of the network"


def test_one_lung_alone_is_as_little_as_none() -> None:
    one = np.stack([np.full((4, 4), 0.2), np.zeros((4, 4))])
    assert shows_no_lungs(one, 0.0, lambda _: None)


def test_it_has_no_headline_but_its_reason_and_no_advice() -> None:
    settings = load_settings(None)
    assessment = of_another_kind(judged(GateClass.BLANK, 0.1), GateClass.NOT_FRONTAL_CHEST, "the pixels show no lungs.")
    unnamed = replace(assessment.assessment.header, body_part_examined="")
    plain = replace(assessment.assessment, header=unnamed, plausibility=(), findings=())
    disposition = decide(plain, read_policy(settings.policy_file))
    assert headline(plain, disposition) == "Not a frontal chest radiograph: the pixels show no lungs"
    for language, reason in (
        ("en", "Not a frontal chest radiograph: the pixels show no lungs."),
        ("de", "Keine frontale Thoraxaufnahme: Die Pixel zeigen keine Lunge."),
    ):
        texts = sentences(plain, disposition, language)
        assert [one.text for one in texts][1:] == [reason]


@pytest.mark.more
def test_a_hand_that_its_header_calls_a_chest(samples: Path, tmp_path: Path) -> None:
    hand = dcmread(samples / "RG3_UNCR.dcm")
    hand.BodyPartExamined, hand.ViewPosition = "CHEST", "PA"
    for keyword in ("AnatomicRegionSequence", "ViewCodeSequence"):
        hand.pop(keyword, None)
    hand.save_as(tmp_path / "hand.dcm")
    settings = load_settings(None, node={"data_dir": tmp_path / "node", "accelerator": "cpu"})
    with LocalAssessor(settings, reports=ReportSettings.of(settings)) as assessor:
        result = assessor.assess_file(tmp_path / "hand.dcm")
    assert result.disposition.verdict is Verdict.REVIEW
    assert "pixels_contradict_body_part" in [reason.name for reason in result.disposition.reasons]
    line = document("hand.dcm", result, 1.0)
    assert (line["score"], line["predictions"], line["anomaly"]) == (None, [], None)
    assert not {one["name"] for one in line["findings"]} - {name for name in finding_names() if is_of_any_part(name)}
    [report] = [dcmread(io.BytesIO(made.data)) for made in result.objects or () if made.kind == "SR"]
    assert not [text for text in contents(report) if "repeat" in text.lower() or "lung field" in text.lower()]


def contents(item: Dataset) -> list[str]:
    """Every text of a report."""
    own = [str(item.TextValue)] if "TextValue" in item else []
    return own + [text for child in item.get("ContentSequence", ()) for text in contents(child)]


@pytest.mark.more
@pytest.mark.long
@pytest.mark.shared
def test_real_images_of_other_parts_are_recognised_and_no_chest_is_refused(shared_data: Path, tmp_path: Path) -> None:
    """The figures of docs/explanation/quality.md, on every third image."""
    settings = load_settings(None, node={"data_dir": tmp_path, "accelerator": "cpu"})
    with LocalAssessor(settings) as assessor:

        def judged(folder: str) -> list[Assessment]:
            files = sorted(one for one in (shared_data / folder).iterdir() if one.suffix in {".jpg", ".png"})[::3]
            return [assessor.assess_file(file, body_part="", view="").assessment for file in files]

        others, chests = judged("other_parts"), judged("cxr_eval")
    assert sum(one.is_of_another_kind or bool(one.experimental) for one in others) >= 0.9 * len(others)
    assert not any(one.is_of_another_kind for one in chests)
    assert sum(bool(one.experimental) for one in chests) <= 1, "without a body part, and with little lung to be seen"
