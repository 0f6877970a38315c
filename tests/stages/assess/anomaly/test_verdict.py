"""What an unusual image leads to: review by the policy, never rejection or acceptance; told in report and command."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import ANOMALY, Subject, Then
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.lookup import finding_names, reason_code
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import SettingsError
from tests.conftest import ROOT
from tests.policies import ACCEPT, policy_of
from tests.stages.assess.making import chest_header

USUAL = AnomalyScore(0.41, 60.0)
UNUSUAL = AnomalyScore(0.62, 99.8)


def assessment(anomaly: AnomalyScore | None, *present: FindingName) -> Assessment:
    findings = tuple(
        Finding(name, reason_code(name), 0.99 if name in present else 0.01, 1.0 if name in present else 0.0, 0.5)
        for name in finding_names()
    )
    return Assessment(InstanceDigest("0" * 64), chest_header(), datetime.now(UTC), findings=findings, anomaly=anomaly)


def policy(**rule: Any) -> Policy:
    return policy_of(ACCEPT, {"measurement": "anomaly", **rule})


RULE = policy(min_percentile=99.5, then="REVIEW")


def test_an_unusual_image_goes_to_review_with_a_plain_reason() -> None:
    disposition = decide(assessment(UNUSUAL), RULE)

    assert disposition.verdict is Verdict.REVIEW
    assert disposition.flagged
    (reason,) = disposition.reasons
    assert reason.name == "anomaly"
    assert reason.text == "Unusual image (top 0.2 % of the training images)"


def test_the_sites_own_images_count_where_there_are_enough() -> None:
    here = replace(UNUSUAL, site_percentile=80.0)
    odd_here = replace(USUAL, site_percentile=99.6)

    assert decide(assessment(here), RULE).verdict is Verdict.ACCEPT
    disposition = decide(assessment(odd_here), RULE)
    assert disposition.verdict is Verdict.REVIEW
    assert disposition.reasons[0].text == "Unusual image (top 0.4 % of this site's images)"


@pytest.mark.parametrize("anomaly", [USUAL, None])
def test_an_ordinary_image_is_judged_by_its_findings_alone(anomaly: AnomalyScore | None) -> None:
    assert decide(assessment(anomaly), RULE).verdict is Verdict.ACCEPT


def test_being_ordinary_never_takes_back_what_a_finding_asks_for() -> None:
    unusual = {"measurement": "anomaly", "min_percentile": 99.5, "then": "REVIEW"}
    both = policy_of(unusual, {"finding": "motion_blur", "then": "REJECT"})

    assert decide(assessment(USUAL, FindingName.MOTION_BLUR), both).verdict is Verdict.REJECT
    disposition = decide(assessment(UNUSUAL, FindingName.MOTION_BLUR), both)
    assert disposition.verdict is Verdict.REJECT
    assert {reason.name for reason in disposition.reasons} == {"motion_blur", "anomaly"}


def test_an_image_that_no_model_judged_is_not_accepted_for_being_ordinary() -> None:
    unjudged = replace(assessment(None), findings=(), not_assessed="No model.")

    assert decide(unjudged, RULE).verdict is Verdict.NOT_ASSESSED


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"min_percentile": 99.5, "then": "REJECT"}, "here it takes REVIEW, HINT"),
        ({"min_percentile": 99.5, "then": "ACCEPT"}, "there is no key min_percentile"),
        ({"min_percentile": 101, "then": "REVIEW"}, "from 0 to 100"),
        ({"then": "REVIEW"}, "min_percentile"),
        ({"min_percentile": 99.5}, "then is missing"),
        ({"min_percentile": 99.5, "then": "REVIEW", "min_score": 1}, "min_score"),
    ],
)
def test_a_rule_that_is_wrong_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        policy(**rule)


def test_the_shipped_policy_reviews_unusual_chests_and_no_rule_rejects_them() -> None:
    shipped = parse_policy(tomllib.loads((ROOT / "config" / "policy.toml").read_text("utf-8")))

    [rule] = [one for one in shipped.of(Subject.MEASUREMENT) if one.what == ANOMALY]
    assert (rule.where.name, rule.limit, rule.then) == ("frontal chest radiograph", 99.5, Then.REVIEW)
    package = ModelIdentity("quality", "0.9.3", "")
    assert decide(replace(assessment(UNUSUAL), model=package), shipped).verdict is Verdict.REVIEW
    assert decide(replace(assessment(USUAL), model=package), shipped).verdict is Verdict.ACCEPT


def test_the_report_holds_the_numbers_and_the_sentence(tmp_path: Path) -> None:
    from miqa_node.core.domain.delivery import SR_FULL
    from miqa_node.stages.report.image import ReportedImage
    from miqa_node.stages.report.make import make_objects
    from tests.stages.report.making import CHEST, disposition
    from tests.stages.report.making import assessment as reported

    def numbers(anomaly: AnomalyScore | None) -> dict[str, tuple[float, str]]:
        source, verdict = ReportedImage(CHEST, SaliencyMaps()), disposition(Verdict.ACCEPT)
        [made] = make_objects(source, replace(reported(), anomaly=anomaly), verdict, kinds={SR_FULL})
        (tmp_path / "sr.dcm").write_bytes(made.data)
        contents = {}
        for item in _items(pydicom.dcmread(tmp_path / "sr.dcm")):
            if item.get("ValueType") == "NUM":
                value = item.MeasuredValueSequence[0]
                name = item.ConceptNameCodeSequence[0].CodeValue
                contents[name] = (float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue)
        return contents

    page = numbers(replace(UNUSUAL, site_percentile=97.25))
    assert page["ANOMALY_SCORE"] == (0.62, "1")
    assert page["ANOMALY_TRAINING"] == (99.8, "%")
    assert page["ANOMALY_SITE"] == (97.25, "%")
    assert "ANOMALY_SITE" not in numbers(UNUSUAL)
    assert not any(name.startswith("ANOMALY") for name in numbers(None))


def _items(dataset: pydicom.Dataset) -> list[pydicom.Dataset]:
    items = []
    for item in dataset.get("ContentSequence", ()):
        items += [item, *_items(item)]
    return items
