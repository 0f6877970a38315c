"""The one instruction belongs to the reason that decided, whatever else flags the image: all pairs of findings."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.deciding import PROCESSED_AGAIN, deciding_first, findings_in_order, in_order
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.rule import AppliedRule, Outcome, Subject, Then
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.taxonomy.lookup import finding_entries, reason_code
from miqa_node.core.words.headline import told_reasons
from miqa_node.core.words.narrative import advice, narrative
from miqa_node.core.words.next_step import next_step
from tests.core.domain.test_decide import assessment
from tests.features.worklist.page.test_panel_texts import POLICY

TRUSTED = POLICY.trusting()
OF_IMAGES = (rule for rule in POLICY.of(Subject.FINDING) if rule.then is Then.REVIEW and not rule.flags_alone)
NAMES = sorted({rule.what for rule in OF_IMAGES} - {FindingName.GATE})


def image(first: str, second: str, part: str, view: str) -> Assessment:
    """Both flag; the first one lies much further beyond its limit."""
    base = assessment()
    header = replace(base.header, modality="DX", body_part_examined=part, view_position=view)
    rows = tuple(
        Finding(FindingName(name), reason_code(FindingName(name)), *values, 0.5)
        for name, values in ((second, (0.951, 0.89)), (first, (1.0, 1.0)))
    )
    return replace(base, header=header, findings=rows, model=base.model, plausibility=())


@pytest.mark.parametrize(("part", "view"), [("CHEST", "PA"), ("CHEST", "AP"), ("CHEST", "")])
def test_the_hint_is_of_the_finding_that_decided(part: str, view: str) -> None:
    tried = 0
    for first, second in permutations(NAMES, 2):
        one = image(first, second, part, view)
        disposition = decide(one, TRUSTED)
        if not disposition.flagged:  # experimental, and said so
            continue
        deciding = deciding_first(disposition)[0]
        hint = next_step(one, disposition)
        own = advice(deciding, one)
        assert deciding.name == told_reasons(one, disposition)[0].name, "headline and hint are of one reason"
        if own and deciding.name not in PROCESSED_AGAIN:
            assert hint == own, (first, second)
        elif own:
            assert hint.startswith(own.partition(";")[0].rstrip(".")), (first, second)
        tried += {first, second} <= {reason.name for reason in disposition.reasons}
    assert tried > len(NAMES), "pairs of which both flag"


def test_a_worse_verdict_decides_before_one_that_lies_further_beyond() -> None:
    reasons = (
        Reason("patient_rotated", "Rotated", OTHER_FAILURE, Verdict.REVIEW),
        Reason("noise", "Noisy", OTHER_FAILURE, Verdict.REJECT),
    )
    rows = (row("patient_rotated", 1.0, 0.1), row("noise", 0.96, 0.95))

    assert [one.name for one in in_order(reasons, rows)] == ["noise", "patient_rotated"]


def row(what: str, value: float, limit: float) -> AppliedRule:
    return AppliedRule(Subject.FINDING, what, Then.REVIEW, "", Outcome.FLAGS, (value,), (limit,))


def test_what_flags_nothing_comes_last_and_says_so() -> None:
    one = assessment(motion_blur=(0.6, 0.05), noise=(1.0, 1.0))
    disposition = decide(one, TRUSTED)
    flagging, others = findings_in_order(one, disposition)
    texts = narrative(one, disposition)

    assert [finding.name for finding in flagging] == ["noise"]
    assert [finding.name for finding in others] == ["motion_blur"]
    below = next(number for number, text in enumerate(texts) if text.startswith("Below its limit: Motion blur"))
    hint = texts.index(advice(deciding_first(disposition)[0], one))
    assert next(number for number, text in enumerate(texts) if text.startswith("Noisy")) < hint < below


def test_every_finding_that_can_flag_has_a_hint() -> None:
    assert [name for name in NAMES if not finding_entries()[FindingName(name)].words_in("en").hint] == []
