"""What a package beside the quality model predicts, in report and segmentation: labelled, apart from quality."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from miqa_node.core.domain.codes import OTHER_FAILURE, Code
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.make import make_objects
from tests.stages.report import making
from tests.stages.report.test_objects import groups, kinds, of_kind, values

SCORES = {"Normal": 0.31, "Pneumonia": 0.69}
SURE = Prediction("lungs-1.2.0", "ef" * 32, "Pneumonia", 0.69, SCORES, Code("233604007", "SCT", "Pneumonia"))
WHY = "Low confidence: Pneumonia 0.69, below 0.80."
UNSURE = replace(SURE, pending=(PendingCause(PendingReason.LOW_CONFIDENCE, WHY),))
NO_PACKAGE = PendingCause(PendingReason.NOT_JUDGED, "There is no package lungs.")
NONE = Prediction("lungs", "", "", 0.0, {}, pending=(NO_PACKAGE,))
WAITS = Reason("low_confidence", f"lungs-1.2.0: {WHY}", OTHER_FAILURE, Verdict.ACCEPT)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.write(making.small(), tmp_path_factory.mktemp("source") / "source.dcm")


def test_an_accepted_image_has_its_prediction_in_report_and_segmentation(source: Path) -> None:
    assessed = replace(making.assessment(), predictions=(SURE,))
    accepted = making.disposition(Verdict.ACCEPT)
    made = make_objects(
        ReportedImage(source, SaliencyMaps(predictions={"lungs-1.2.0": making.bump(0.4, 0.3)})), assessed, accepted
    )
    assert kinds(made) == [ResultKind("SEG"), ResultKind("SR")], "nothing is wrong with the image: no key object"
    [segment] = of_kind(made, ResultKind("SEG")).SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "PRED_REGION"
    assert segment.SegmentAlgorithmName == "lungs"
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "1.2.0"
    assert "decision support, not diagnosis" in segment.SegmentDescription
    group = groups(of_kind(made, ResultKind("SR")))[-1]
    assert values(group, "276214006") == ["PREDICTION"]
    assert values(group, "121071") == ["233604007"]
    assert [float(value) for value in values(group, "P_PREDICTION")] == [69.0]
    assert values(group, "PRED_STATUS") == ["AUTOMATED"]
    text = " ".join(values(group, "121106"))
    assert "decision support, not diagnosis" in text
    assert "Normal 0.310" in text
    assert segment.TrackingUID in {item.get("UID") for item in group.ContentSequence}


def test_one_report_and_one_segmentation_hold_everything(source: Path) -> None:
    assessed = replace(making.assessment(FindingName.FOREIGN_OBJECT), predictions=(UNSURE, NONE))
    rejected = making.disposition(Verdict.REJECT, FindingName.FOREIGN_OBJECT)
    decided = replace(rejected, reasons=(*rejected.reasons, WAITS))
    maps = {FindingName.FOREIGN_OBJECT: making.bump(0.3, 0.7)}
    both = SaliencyMaps(maps, predictions={"lungs-1.2.0": making.bump(0.4, 0.3)})
    made = make_objects(ReportedImage(source, both), assessed, decided)
    assert kinds(made) == [ResultKind("SEG"), ResultKind("SR"), ResultKind("KOS")]
    segments = of_kind(made, ResultKind("SEG")).SegmentSequence
    assert [one.SegmentAlgorithmName for one in segments] == ["cxr-quality", "lungs"]
    image, *_, waiting, missing = groups(of_kind(made, ResultKind("SR")))
    assert values(image, "111052") == ["111215"], "a prediction that waits is no quality finding"
    assert any(text.startswith("Pending review: lungs-1.2.0") for text in values(image, "121106"))
    assert values(waiting, "PRED_STATUS") == ["PENDING_REVIEW"]
    assert WHY in values(waiting, "121106")
    assert values(missing, "P_PREDICTION") == []
    assert "There is no package lungs." in values(missing, "121106")
    assert WHY not in str(of_kind(made, ResultKind("KOS"))), "the key object is about quality"


def test_another_prediction_makes_other_objects(source: Path) -> None:
    accepted = making.disposition(Verdict.ACCEPT)

    def uid(*predictions: Prediction) -> str:
        assessed = replace(making.assessment(), predictions=predictions)
        return make_objects(ReportedImage(source, SaliencyMaps()), assessed, accepted)[-1].sop_instance_uid

    assert len({uid(), uid(SURE), uid(UNSURE), uid(replace(SURE, sha256="00" * 32))}) == 4
    assert uid(SURE) == uid(SURE)
