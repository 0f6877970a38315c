"""Somebody who reads the policy says what the node then does: twenty questions, and the examples of the how-to."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.measurand import measurand_of
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace
from miqa_node.core.taxonomy.lookup import finding_names, reason_code
from miqa_node.core.taxonomy.policy_file import parse_policy
from tests.conftest import ROOT

SHIPPED = (ROOT / "config" / "policy.toml").read_text("utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "tune-the-policy.md").read_text("utf-8")
QUESTIONS: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("predicted").joinpath("questions.toml").read_text("utf-8")
)["question"]
POLICY = parse_policy(tomllib.loads(SHIPPED), SHIPPED)
OPERATING_POINT = 0.3


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one["words"][:60])
def test_a_reader_of_the_policy_predicts_the_verdict(question: Mapping[str, Any]) -> None:
    disposition = decide(assessment(question), POLICY)
    flagged_by = sorted(one.name for one in disposition.reasons if one.verdict.flagged)
    assert [disposition.verdict.value, *flagged_by] == question["answer"]


def assessment(question: Mapping[str, Any]) -> Assessment:
    header_of = question["header"]
    header = Header(
        "1.2", SopInstanceUid("1.2.3"), SeriesInstanceUid("1.2.4"), StudyInstanceUid("1.2.5"), "1.2.1",
        header_of["modality"], body_part_examined=header_of["body_part"], view_position=header_of.get("view", ""),
        age_years=header_of.get("age"),
    )  # fmt: skip
    package, percentile = question.get("package", ""), question.get("percentile")
    measured = question.get("measurements", {}).items()
    return Assessment(
        InstanceDigest("d"), header, datetime(2026, 1, 1, tzinfo=UTC), decoder="any", kind=question.get("kind", ""),
        findings=tuple(_finding(name, question) for name in (finding_names() if package else ())),
        model=_model(package) if package else None,
        not_assessed="" if package else "No package judges such images.",
        measurements=tuple(Measurement(name, float(value), _unit(name)) for name, value in measured),
        plausibility=tuple(PlausibilityIssue(name, name, OTHER_FAILURE) for name in question.get("contradictions", ())),
        anomaly=None if percentile is None else AnomalyScore(1.0, percentile),
    )  # fmt: skip


def _finding(name: FindingName, question: Mapping[str, Any]) -> Finding:
    findings = question.get("findings", {})
    probability, severity = findings.get(name, (0.01, 0.0))
    place = ObjectPlace(tuple(map(ChestRegion, question.get("over", ())))) if name in findings else None
    return Finding(name, reason_code(name), probability, severity, threshold=OPERATING_POINT, place=place)


def _model(package: str) -> ModelIdentity:
    name, _, version = package.rpartition("-")
    return ModelIdentity(name, version, "")


def _unit(name: str) -> str:
    measurand = measurand_of(name)
    assert measurand is not None, name
    return measurand.unit


BLOCKS = re.findall(r"```toml\n(.*?)```", HOW_TO, re.DOTALL)


def test_the_how_to_has_an_example_of_each_part_of_a_rule() -> None:
    assert len(BLOCKS) >= 7


@pytest.mark.parametrize("block", BLOCKS, ids=lambda one: one.splitlines()[0] + str(len(one)))
def test_an_example_can_be_added_to_the_shipped_policy(block: str) -> None:
    if block.startswith("[evidence"):
        name = next(iter(tomllib.loads(block)["evidence"]))
        assert tomllib.loads(block)["evidence"][name].items() >= tomllib.loads(SHIPPED)["evidence"][name].items()
        return
    text = f"{SHIPPED}\n{block}"
    added = parse_policy(tomllib.loads(text), text)
    assert [rule for rule in added.rules if rule not in POLICY.rules]
    assert all(rule in added.rules for rule in POLICY.rules), "a rule adds, and changes no other"
