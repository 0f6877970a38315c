"""The score follows the verdict: no pair of images where the worse verdict has the better score."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.verdict_score import BANDS, with_score
from tests.stages.report import making

SHARE = st.floats(0.0, 1.0)
RANKED = (Verdict.REJECT, Verdict.REVIEW, Verdict.ACCEPT)


def judged(probability: float, severity: float, form: int = 1) -> Assessment:
    findings = (replace(making.findings()[0], probability=probability, severity=severity),)
    return replace(making.assessment(), findings=findings, form=form)


def score(probability: float, severity: float, verdict: Verdict) -> float | None:
    return with_score(judged(probability, severity), verdict).score


@given(SHARE, SHARE, SHARE, SHARE, st.sampled_from(RANKED), st.sampled_from(RANKED))
def test_a_worse_verdict_never_has_a_better_score(
    p: float, s: float, other_p: float, other_s: float, verdict: Verdict, other: Verdict
) -> None:
    one, two = score(p, s, verdict), score(other_p, other_s, other)
    assert one is not None
    assert two is not None
    assert BANDS[verdict][0] <= one <= BANDS[verdict][1]
    if verdict is not other:
        assert (round(one) < round(two)) == (RANKED.index(verdict) < RANKED.index(other))


@pytest.mark.parametrize("verdict", RANKED)
def test_within_a_verdict_it_falls_with_what_was_found(verdict: Verdict) -> None:
    scores = [score(0.1 * step, 0.9, verdict) for step in range(10)]
    assert len(set(scores)) == len(scores)
    assert scores == sorted(scores, key=lambda one: -(one or 0.0))


def test_what_was_not_assessed_has_none() -> None:
    assert score(0.2, 0.2, Verdict.NOT_ASSESSED) is None
    assert with_score(replace(judged(0.2, 0.2), findings=()), Verdict.ACCEPT).score is None


def test_devices_and_findings_of_earlier_versions_change_nothing() -> None:
    device = replace(making.findings()[0], name=FindingName.DEVICE_IN_VIEW, probability=1.0, severity=1.0)
    assert with_score(replace(judged(0.0, 0.0), findings=(device,)), Verdict.ACCEPT).score == 100.0
    before = replace(judged(0.9, 0.9, form=0), score=12.0)
    assert with_score(before, Verdict.ACCEPT).score == 12.0
