"""Packages beside the quality package: switched on by the policy, routed quality first, never in the verdict's way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.prediction import PendingReason, PredictionStatus
from miqa_node.core.domain.routing import Routing, route
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.lookup import defect_names, reason_code
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import NotFoundError, SettingsError
from miqa_node.runtime.store.arrays import dump_maps, load_maps
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.sidecars import SidecarModels, sidecar_folder
from tests.policies import ACCEPT, document
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import RADIOGRAPH, chest_header

DIGEST = InstanceDigest("d" * 64)
BRIGHT, UNSURE = 0.75, 0.51


class Quality:
    """Gives every image the same quality."""

    def __init__(self, defect: float = 0.0, gate: float = 0.0, percentile: float = 50.0, reason: str = "") -> None:
        rows = [
            Finding(n, reason_code(n), defect * (n == FindingName.MOTION_BLUR), defect, 0.5) for n in defect_names()
        ]
        rows.append(Finding(FindingName.GATE, reason_code(GateClass.BLANK), gate, gate, 0.5))
        self.findings = () if reason else tuple(rows)
        self.anomaly = AnomalyScore(0.5, percentile)
        self.reason = reason

    def assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        now = datetime.now(UTC)
        model = (
            None if self.reason else ModelIdentity("quality", "0.9.3", "ab" * 32)
        )  # of which the policy has a figure
        assessment = Assessment(
            digest, header, now, findings=self.findings, anomaly=self.anomaly, not_assessed=self.reason, model=model
        )
        return AssessorResult(assessment)


def policy_with(*packages: dict[str, Any]) -> dict[str, Any]:
    motion: list[dict[str, Any]] = [{"finding": "motion_blur", "then": "REVIEW"},
              {"finding": "motion_blur", "then": "REJECT", "min_probability": 0.9}]  # fmt: skip
    return document(ACCEPT, *motion, where={"chest": {"modality": ["CR"]}}, package=list(packages))


Judge = Callable[..., AssessorResult]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    write_classifier(tmp_path / "models/lungs-1.0.0")
    settings = load_settings(
        None, assess={"shipped_packages": False, "models_dir": str(tmp_path / "models")}, node={"data_dir": tmp_path}
    )

    def run(
        quality: Quality, brightness: float, *packages: dict[str, Any], header: Header | None = None
    ) -> AssessorResult:
        policy = parse_policy(policy_with(*packages))
        sidecars = SidecarModels(settings, lambda: quality, lambda: policy)
        pixels = np.full((40, 40), round(brightness * 65535), np.uint16)
        image = Radiograph(pixels, pixels, (0, 65535), (0.2, 0.2))
        return sidecars.assess(header or chest_header(), image, DIGEST, RADIOGRAPH)

    return run


ON = {"name": "lungs"}


def pending(judgement: AssessorResult) -> list[PendingReason]:
    [prediction] = judgement.assessment.predictions
    return [one.reason for one in prediction.pending]


def test_off_unless_the_policy_switches_it_on(judge: Judge) -> None:
    assert judge(Quality(), BRIGHT).assessment.predictions == ()
    assert judge(Quality(), BRIGHT, ON, header=chest_header(modality="DX")).assessment.predictions == ()


def test_a_sure_prediction_on_a_good_image_is_automated(judge: Judge) -> None:
    result = judge(Quality(), BRIGHT, ON)
    [prediction] = result.assessment.predictions
    assert (prediction.package, prediction.label, prediction.status) == (
        "lungs-1.0.0", "Pneumonia", PredictionStatus.AUTOMATED,
    )  # fmt: skip
    assert prediction.confidence == prediction.scores["Pneumonia"] > 0.9
    assert len(prediction.sha256) == 64
    assert result.maps.predictions["lungs-1.0.0"].method == "gradcam"
    disposition = decide(result.assessment, parse_policy(policy_with(ON)))
    assert (disposition.verdict, disposition.flagged, disposition.reasons) == (Verdict.ACCEPT, False, ())


def test_low_confidence_waits_and_goes_on_the_worklist_with_the_reason(judge: Judge) -> None:
    result = judge(Quality(), UNSURE, ON)
    assert pending(result) == [PendingReason.LOW_CONFIDENCE]
    disposition = decide(result.assessment, parse_policy(policy_with(ON)))
    assert disposition.verdict is Verdict.ACCEPT, "the verdict is about quality alone"
    assert disposition.flagged
    [reason] = disposition.reasons
    assert reason.name == "low_confidence"
    assert "Low confidence" in reason.text
    assert "decision support, not diagnosis" in reason.text
    low = {**ON, "min_confidence": 0.5}
    assert pending(judge(Quality(), UNSURE, low)) == []


def test_evidence_for_sure_answers_automates_no_others(judge: Judge, tmp_path: Path) -> None:
    """A site may lower the confidence, but errors were counted among answers of .80 and more."""
    evidence = {
        "population": "adults", "collections": ["made"], "images": 100, "min_confidence": 0.8, "answers": 90,
        "errors": 0, "upper_bound": 0.04, "max_error": 0.05,
    }  # fmt: skip
    write_classifier(tmp_path / "models/proven-1.0.0", name="proven", automation=[evidence])
    low = {"name": "proven", "min_confidence": 0.5}
    assert pending(judge(Quality(), BRIGHT, low)) == []
    [prediction] = judge(Quality(), UNSURE, low).assessment.predictions
    assert 0.5 < prediction.confidence < 0.8
    assert [one.reason for one in prediction.pending] == [PendingReason.NOT_PROVEN]
    assert prediction.why_pending == "Not automated. The evidence is for a confidence of 0.80 and more."
    assert pending(judge(Quality(), UNSURE, {"name": "proven"})) == [PendingReason.LOW_CONFIDENCE]


def test_a_confidence_just_below_is_not_shown_as_the_limit(judge: Judge) -> None:
    assessment = judge(Quality(), BRIGHT, ON).assessment
    [prediction] = assessment.predictions
    for confidence, shown in ((0.7999, "0.79"), (0.29, "0.29"), (0.62, "0.62")):
        routed = route(
            replace(prediction, confidence=confidence), assessment, Disposition(Verdict.ACCEPT, (), "t", "chest"),
            Routing(0.8, 99.5),
        )  # fmt: skip
        assert f"Pneumonia {shown}, below 0.80." in routed.why_pending


@pytest.mark.parametrize(
    ("quality", "package", "reasons"),
    [
        (Quality(defect=0.95), ON, [PendingReason.QUALITY_FIRST]),
        (Quality(defect=0.6), ON, []),
        (Quality(defect=0.6), {**ON, "accepted_only": True}, [PendingReason.QUALITY_FIRST]),
        (Quality(gate=0.9), ON, [PendingReason.QUALITY_FIRST]),
        (Quality(reason="No quality model is installed."), ON, [PendingReason.QUALITY_FIRST]),
        (Quality(percentile=99.6), ON, [PendingReason.OUT_OF_DISTRIBUTION]),
        (Quality(percentile=99.6), {**ON, "max_percentile": 99.9}, []),
        (Quality(defect=0.95, percentile=99.6), ON, [PendingReason.QUALITY_FIRST, PendingReason.OUT_OF_DISTRIBUTION]),
    ],
)
def test_quality_comes_first(judge: Judge, quality: Quality, package: dict[str, Any], reasons: object) -> None:
    assert pending(judge(quality, BRIGHT, package)) == reasons


def test_an_image_out_of_the_cards_scope_waits_with_the_reason(judge: Judge) -> None:
    result = judge(Quality(), BRIGHT, ON, header=chest_header(view_position="LL"))
    [prediction] = result.assessment.predictions
    assert prediction.label == ""
    assert pending(result) == [PendingReason.NOT_JUDGED]
    assert "View Position LL" in prediction.why_pending


def test_a_package_that_is_missing_hides_no_verdict_and_is_told(judge: Judge) -> None:
    result = judge(Quality(defect=0.95), BRIGHT, {"name": "absent"})
    assert pending(result) == [PendingReason.NOT_JUDGED]
    disposition = decide(result.assessment, parse_policy(policy_with({"name": "absent"})))
    assert disposition.verdict is Verdict.REJECT
    assert [reason.name for reason in disposition.reasons] == ["motion_blur", "not_judged"]


def test_check_tells_what_keeps_a_package_from_running(tmp_path: Path) -> None:
    settings = load_settings(
        None, assess={"shipped_packages": False, "models_dir": str(tmp_path)}, node={"data_dir": tmp_path}
    )
    policy = parse_policy(policy_with({"name": "absent"}))
    with pytest.raises(NotFoundError, match="no package absent"):
        SidecarModels(settings, Quality, lambda: policy).check()
    with pytest.raises(NotFoundError, match="no package other"):
        SidecarModels(settings, Quality, lambda: policy, ["other"])


def test_a_name_means_its_newest_version(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        write_classifier(tmp_path / f"lungs-{version}", version)
    assert sidecar_folder(tmp_path, "lungs").name == "lungs-1.10.0"
    assert sidecar_folder(tmp_path, "lungs-1.9.0").name == "lungs-1.9.0"


def test_predictions_and_their_maps_are_kept(judge: Judge) -> None:
    result = judge(Quality(defect=0.95), UNSURE, ON)
    document = json.loads(json.dumps(dump_assessment(result.assessment)))
    assert load_assessment(document).predictions == result.assessment.predictions
    del document["predictions"]  # written by an earlier version
    assert load_assessment(document).predictions == ()
    maps = load_maps(dump_maps(result.maps))
    assert maps.findings == {}
    assert list(maps.predictions) == ["lungs-1.0.0"]


@pytest.mark.parametrize(
    "rule",
    [{"min_confidence": 0.5}, {"name": "x", "min_confidence": 2}, {"name": "x", "max_percentile": 101}, {"nam": "x"}],
)
def test_a_wrong_rule_in_the_policy_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="package 1: "):
        parse_policy(policy_with(rule))


def test_an_image_of_several_frames_is_not_judged(judge: Judge, tmp_path: Path) -> None:
    settings = load_settings(
        None, assess={"shipped_packages": False, "models_dir": str(tmp_path / "models")}, node={"data_dir": tmp_path}
    )
    policy = parse_policy(policy_with(ON))
    pixels = np.zeros((40, 40), np.uint16)
    image = replace(Radiograph(pixels, pixels, (0, 65535), None), frames=2)
    result = SidecarModels(settings, Quality, lambda: policy).assess(chest_header(), image, DIGEST, RADIOGRAPH)
    assert pending(result) == [PendingReason.NOT_JUDGED]


def test_the_name_anomaly_means_the_score_of_the_quality_package(judge: Judge) -> None:
    assessment = judge(Quality(), BRIGHT, {"name": "anomaly"}).assessment
    assert assessment.anomaly == AnomalyScore(0.5, 50.0)
    assert assessment.predictions == ()


def test_a_quality_package_that_cannot_say_what_is_unusual_is_told_of(judge: Judge) -> None:
    class Untaught(Quality):
        def assess(
            self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
        ) -> AssessorResult:
            judged = super().assess(header, radiograph, digest, traits)
            model = ModelIdentity("quality", "1.0.0", "ab")
            return replace(judged, assessment=replace(judged.assessment, anomaly=None, model=model))

    [one] = judge(Untaught(), BRIGHT, {"name": "anomaly"}).assessment.predictions
    assert [waiting.reason for waiting in one.pending] == [PendingReason.NOT_JUDGED]
    assert "miqa-node train anomaly" in one.pending[0].text
    assert (
        judge(Quality(reason="No quality model is installed."), BRIGHT, {"name": "anomaly"}).assessment.predictions
        == ()
    )
