"""A package with a certificate automates what it covers and nothing else, quality first, and says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.prediction import PendingReason, Prediction
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.prediction_certificate import (
    EarlyEnd,
    EndCause,
    certificate_path,
    write_certificate,
)
from miqa_node.stages.assess.sidecars import SidecarModels
from tests.stages.assess.certifying import ADULTS, certificate_for
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.classify.test_sidecars import BRIGHT, DIGEST, UNSURE, Quality, policy_with
from tests.stages.assess.making import RADIOGRAPH, chest_header

DARK = 0.25
ON = {"name": "lungs"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_classifier(tmp_path / "models/lungs-1.0.0")
    return tmp_path / "models/lungs-1.0.0"


def certify(tmp_path: Path, folder: Path, end: EarlyEnd | None = None, **changes: Any) -> str:
    return write_certificate(certificate_path(tmp_path, "lungs"), certificate_for(folder, **changes), end)


def predict(
    tmp_path: Path, brightness: float = BRIGHT, quality: Quality | None = None, rule: dict[str, Any] = ON, **header: Any
) -> Prediction:
    settings = load_settings(
        None, assess={"shipped_packages": False, "models_dir": str(tmp_path / "models")},
        node={"data_dir": tmp_path, "site": "General"},
    )  # fmt: skip
    policy = parse_policy(policy_with(rule))
    pixels = np.full((40, 40), round(brightness * 65535), np.uint16)
    image = Radiograph(pixels, pixels, (0, 65535), (0.2, 0.2))
    sidecars = SidecarModels(settings, lambda: quality or Quality(), lambda: policy)
    assessment = sidecars.assess(chest_header(**header), image, DIGEST, RADIOGRAPH).assessment
    assert load_assessment(dump_assessment(assessment)).predictions == assessment.predictions
    return assessment.predictions[0]


def reasons(prediction: Prediction) -> list[PendingReason]:
    return [one.reason for one in prediction.pending]


def test_without_one_the_plain_rule_stays_as_it_was(tmp_path: Path, folder: Path) -> None:
    for brightness in (BRIGHT, DARK):
        prediction = predict(tmp_path, brightness)
        assert (prediction.pending, prediction.automated_by, prediction.certificate) == ((), "", "")
    assert reasons(predict(tmp_path, quality=Quality(defect=0.6))) == []


def test_what_it_covers_is_automated_and_says_by_which(tmp_path: Path, folder: Path) -> None:
    digest = certify(tmp_path, folder)
    prediction = predict(tmp_path, age_years=40)
    assert (prediction.pending, prediction.certificate) == ((), digest)
    says = (
        "Pneumonia in adults at a confidence of 0.80 and more, right in 119 of 120 answers by Dr. Bell, so in at least"
    )
    assert f"{says} 96.1 %. It ends on 20" in prediction.automated_by
    assert prediction.why == prediction.automated_by


@pytest.mark.parametrize(
    ("brightness", "header", "says"),
    [
        (DARK, {"age_years": 40}, "does not cover Normal in adults."),
        (BRIGHT, {"age_years": 10}, "covers no such age and view."),
        (BRIGHT, {"view_position": ""}, "covers no such age and view."),
        (BRIGHT, {"station_name": "ROOM2"}, "does not cover the station ROOM2."),
    ],
)
def test_nothing_else_is_automated(
    tmp_path: Path, folder: Path, brightness: float, header: dict[str, Any], says: str
) -> None:
    assert predict(tmp_path, brightness, **header).pending == (), "the plain rule would"
    certify(tmp_path, folder)
    prediction = predict(tmp_path, brightness, **header)
    assert reasons(prediction) == [PendingReason.NOT_PROVEN]
    assert says in prediction.why_pending
    assert prediction.automated_by == ""


def test_the_level_is_the_certificates_or_the_rules_whichever_is_more(tmp_path: Path, folder: Path) -> None:
    certify(tmp_path, folder)
    low = predict(tmp_path, UNSURE, rule={**ON, "min_confidence": 0.5})
    assert reasons(low) == [PendingReason.LOW_CONFIDENCE]
    assert "below 0.80" in low.why_pending
    assert low.certificate, "the image is covered, and its confidence is watched"
    assert "below 0.99" in predict(tmp_path, rule={**ON, "min_confidence": 0.99}).why_pending


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        (Quality(defect=0.95), PendingReason.QUALITY_FIRST),
        (Quality(defect=0.6), PendingReason.QUALITY_FIRST),
        (Quality(gate=0.9), PendingReason.QUALITY_FIRST),
        (Quality(reason="No quality model is installed."), PendingReason.QUALITY_FIRST),
        (Quality(percentile=99.6), PendingReason.OUT_OF_DISTRIBUTION),
    ],
)
def test_quality_stays_first_and_review_waits(
    tmp_path: Path, folder: Path, quality: Quality, reason: PendingReason
) -> None:
    certify(tmp_path, folder)
    for age in (40, 3):
        prediction = predict(tmp_path, quality=quality, age_years=age)
        assert reasons(prediction) == [reason]
        assert prediction.certificate == "", "such images are not those of the cases"


def test_an_age_that_only_keeps_quality_from_being_assessed_may_be_named(tmp_path: Path, folder: Path) -> None:
    assert reasons(predict(tmp_path, age_years=3)) == [PendingReason.QUALITY_FIRST]
    certify(tmp_path, folder)
    prediction = predict(tmp_path, age_years=3)
    assert prediction.pending == ()
    assert "Pneumonia in children" in prediction.automated_by
    assert prediction.automated_by.endswith("Quality was not assessed only because of the age, which it names.")
    certify(tmp_path, folder, populations=(ADULTS,))
    assert predict(tmp_path, age_years=3).pending


def test_an_image_of_two_populations_needs_both(tmp_path: Path, folder: Path) -> None:
    other = ADULTS.model_copy(update={"name": "wards", "answers": (), "others": ADULTS.answers})
    certify(tmp_path, folder, populations=(ADULTS, other))
    assert "does not cover Pneumonia in wards." in predict(tmp_path, age_years=40).why_pending


def test_one_that_ended_automates_nothing(tmp_path: Path, folder: Path) -> None:
    now = datetime.now(UTC)
    certify(tmp_path, folder, EarlyEnd(cause=EndCause.REVOKED, at=now, by="mara"))
    prediction = predict(tmp_path, age_years=40)
    assert reasons(prediction) == [PendingReason.NOT_PROVEN]
    assert prediction.why_pending == (
        f"Not automated: the certificate of {certificate_for(folder).day} ended: mara revoked it on {now:%Y-%m-%d}."
    )


def test_a_certificate_takes_the_place_of_the_cards_evidence(tmp_path: Path) -> None:
    write_classifier(tmp_path / "models/lungs-1.0.0", automation=[])
    assert reasons(predict(tmp_path)) == [PendingReason.NOT_PROVEN]
    certify(tmp_path, tmp_path / "models/lungs-1.0.0")
    assert predict(tmp_path).pending == ()


def test_policies_that_change_other_things_leave_it_alone(tmp_path: Path, folder: Path) -> None:
    certify(tmp_path, folder)
    first = predict(tmp_path)
    again = predict(tmp_path, rule={**ON, "max_percentile": 99.9})
    assert replace(first) == again
