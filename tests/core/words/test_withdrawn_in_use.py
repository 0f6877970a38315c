"""Policies, packages and judgements that name a withdrawn measurement work on, and are told what takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.codes import UNKNOWN_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.measurand import MEASUREMENTS, WITHDRAWN, withdrawn_words
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.reassessment import lifts_flag
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import withdrawn_measurements
from miqa_node.core.words.measurement_codes import is_standard, measurement_code
from miqa_node.errors import ModelPackageError
from miqa_node.features.operations.command.doctor import _policy
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.package_checks import check_measurements
from tests.policies import ACCEPT, TRIED, measured, policy_of
from tests.stages.measure.phantoms import header

NOW = datetime(2026, 11, 28, tzinfo=UTC)
RULE = {"measurement": "mr_snr_dietrich", "below": 20, "then": "REVIEW", "reason": "111207"}
TEXT = """version = "ours"
[[rule]]
modality = ["MR"]
measurement = "nps_peak"
above = 1
then = "REVIEW"
reason = "111207"
evidence = "site"
"""


def policy(rule: Mapping[str, Any]) -> Policy:
    return policy_of(rule, where={"MR of ours": {"modality": ["MR"]}}, evidence=TRIED)


def judged(of: Header, *numbers: tuple[str, float], kind: str = "") -> Assessment:
    measurements = tuple(Measurement(name, value, "1") for name, value in numbers)
    unjudged = Assessment(InstanceDigest("d"), of, NOW, decoder="x", not_assessed="None.", kind=kind)
    return replace(unjudged, measurements=measurements)


def test_each_names_a_successor_that_is_taken_or_none() -> None:
    for name, one in WITHDRAWN.items():
        assert one.name == name
        assert not one.successor or one.successor in MEASUREMENTS.all()
    codes = [measurement_code(name) for name in (*MEASUREMENTS.all(), *WITHDRAWN) if not is_standard(name)]
    assert len(codes) == len(set(codes)), "a code is never used again"


def test_a_rule_about_one_is_without_effect_and_the_log_names_both() -> None:
    with capture_logs() as lines:
        ours = policy(RULE)
    assert [(line["name"], line["now"]) for line in lines if line["event"].startswith("withdrawn")] == [
        ("mr_snr_dietrich", "mr_snrd")
    ]
    assert withdrawn_measurements(ours.rules) == ["mr_snr_dietrich"]
    old = judged(header(modality="MR"), ("mr_snr_dietrich", 9.0), kind="structural")
    assert not decide(old, ours).verdict.flagged


def test_an_accept_that_asks_for_one_accepts_nothing() -> None:
    series = judged(header(modality="MR"), ("mr_snr", 9.0), kind="structural")
    assert decide(series, policy(measured("mr_snr"))).verdict is Verdict.ACCEPT
    asking = policy(measured("mr_snr", "mr_uniformity"))
    disposition = decide(series, asking)
    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert "mr_uniformity is withdrawn; mr_inu_width takes its place" in disposition.reasons[0].text
    old = judged(header(modality="MR"), ("mr_snr", 9.0), ("mr_uniformity", 90.0), kind="structural")
    assert decide(old, asking).verdict is Verdict.NOT_ASSESSED, "an old judgement has it"
    assert withdrawn_measurements(asking.rules) == ["mr_uniformity"]


def test_doctor_names_it_and_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert "nps_peak is withdrawn; nps_frequency takes its place" in _policy(load_settings(policy={"file": str(path)}))
    assert withdrawn_words("us_bands") == "us_bands is withdrawn"


def test_a_package_that_learned_from_one_is_refused_and_the_shipped_one_is_not() -> None:
    with pytest.raises(ModelPackageError, match=r"nps_peak is withdrawn; nps_frequency takes its place.*train again"):
        check_measurements(CLASSICAL, ["brightness", "nps_peak"])
    check_measurements(CLASSICAL, [one.name for one in CLASSICAL.measurements])


CLASSICAL = read_card(next(Path(load_settings().model_folders[-1]).glob("quality-classical-*")))


def test_what_this_version_does_not_take_of_a_view_is_not_unseen() -> None:
    """A flag of a spot view stayed for ever: its nipple line was measured once and never again."""
    size = {"rows": 3000, "columns": 2000, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.2"}
    whole = header(modality="MG", view_position="CC", view_modifier="", **size)
    spot = replace(whole, view_modifier="Spot compression")
    before = (("mg_nipple_line", 80.0), ("mg_border_contact", 60.0), ("us_bands", 90.0), ("mg_saturated_share", 9.0))
    reasons = (Reason("mg_border_contact", "It is cut.", UNKNOWN_FAILURE, Verdict.REVIEW),)

    def lifts(of: Header, *numbers: tuple[str, float]) -> bool:
        now = judged(of, *numbers)
        return lifts_flag(now, decide(now, policy(ACCEPT)), judged(of, *before), reasons)

    assert lifts(spot, ("mg_saturated_share", 0.1))
    assert not lifts(spot), "what it takes of the view must have been seen"
    assert not lifts(whole, ("mg_saturated_share", 0.1))
