"""The panel's first number is the headline's own: by each rule of the shipped policy that can flag, and by others.

Those are limits of rooms, predictions that wait, flags of an earlier judgement and rules of packages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingDescription, FindingName, FindingWords
from miqa_node.core.domain.measurand import measurand_of
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.reassessment import with_flag
from miqa_node.core.domain.rule import ANOMALY, LimitSide, Rule, Subject, Then
from miqa_node.core.domain.site_limit import RoomLimit, SiteLimits
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.language.catalogue import spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.worklist.page.study.panel import Panel, panel_of
from tests.features.worklist.page.test_panel_texts import POLICY, header, measured, radiograph

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LIMBS = ModelIdentity("any-radiograph", "0.3.0", "ab" * 32)
FLAGGING = [one for one in POLICY.rules if one.then in (Then.REVIEW, Then.REJECT)]
SIDES = ("finding", "finding alone", "above", "below", "usual", ANOMALY, "contradiction")


def side_of(rule: Rule) -> str:
    if rule.subject is not Subject.MEASUREMENT:
        return "finding alone" if rule.flags_alone else rule.subject.value
    return ANOMALY if rule.what == ANOMALY else "usual" if rule.is_usual else rule.side.value


def beyond(rule: Rule) -> Assessment:
    """An image of the rule's place that is beyond its limit, and of which nothing else is known."""
    where = rule.where
    modality = where.modality[0] if where.modality else "DX"
    body_part = where.body_part or next((one for figure in rule.figures if (one := figure.body_part)), ())
    part = body_part[0] if body_part else {"CT": "CHEST", "MR": "BRAIN"}.get(modality, "HAND")
    head = header(modality, part, where.view[0] if where.view else "AP")
    if modality in ("CT", "MR"):
        image = replace(measured(head, where.kind[0] if where.kind else "body"), experimental="", not_assessed="")
    else:
        image = radiograph(part, head.view_position, {})
        image = image if part == "CHEST" else replace(image, model=LIMBS, experimental="")
    if rule.subject is Subject.FINDING:
        finding = Finding(
            FindingName(rule.what), OTHER_FAILURE, 0.99, 1.0, 0.9, None
        )  # the model's own threshold is 0.9
        others = tuple(one for one in image.findings if one.name != rule.what)
        return replace(image, findings=(*others, finding))
    if rule.subject is Subject.CONTRADICTION:
        return replace(image, plausibility=(PlausibilityIssue(rule.what, Phrase("It is so."), OTHER_FAILURE),))
    if rule.what == ANOMALY:
        return replace(image, anomaly=AnomalyScore(0.99, 99.95))
    measurand = measurand_of(rule.what)
    unit = measurand.unit if measurand is not None else "1"
    if rule.is_usual:
        usual = UsualRange(rule.what, unit, 1.0, 3.0, 40, NOW)
        return replace(image, measurements=(Measurement(rule.what, 9.0, unit),), usual_ranges=(usual,))
    limit, step = rule.limit or 0.0, abs(rule.limit or 0.0) + 2.0
    value = limit - step if rule.side is LimitSide.BELOW else limit + step
    return replace(image, measurements=(Measurement(rule.what, value, unit),))


def first_is_of_headline(assessment: Assessment, disposition: Disposition) -> Panel:
    """In both languages; the panel."""
    for language in ("de", "en"):
        with spoken(language):
            shown = panel_of(assessment, disposition, {})
        first = shown.numbers[0]
        assert first.is_beyond, shown
        head, title = (text.rstrip(" …") for text in (shown.what, first.title))
        assert title in head or title.startswith(head), (head, title)
    return shown


@pytest.mark.parametrize("rule", FLAGGING, ids=lambda rule: f"{rule.number}-{rule.what}")
def test_the_first_number_is_that_of_the_headline(rule: Rule) -> None:
    assessment = beyond(rule)
    disposition = decide(assessment, POLICY)
    if not disposition.flagged:  # its evidence does not suffice for this image, so it is no headline
        with spoken("en"):
            assert not any(one.is_beyond for one in panel_of(assessment, disposition, {}).numbers)
        return
    shown = first_is_of_headline(assessment, disposition)
    if rule.subject is not Subject.CONTRADICTION:
        assert shown.numbers[0].value, shown
        assert shown.numbers[0].limit, shown


def test_each_kind_of_rule_was_one_that_flags() -> None:
    flagging = {side_of(one) for one in FLAGGING if decide(beyond(one), POLICY).flagged}
    assert flagging == set(SIDES)


def of_room() -> tuple[Assessment, Disposition]:
    noisy = radiograph("CHEST", "PA", {"noise": (0.6, 0.5)})
    limits = SiteLimits(1, (RoomLimit(FindingName("noise"), "", "", 0.2),), NOW, "physicist")
    return noisy, decide(noisy, POLICY.with_limits(limits))


def of_package() -> tuple[Assessment, Disposition]:
    words = {"en": FindingWords("Hat on"), "de": FindingWords("Hut auf")}
    hat = Finding(FindingName("hat_on"), OTHER_FAILURE, 0.9, 0.9, 0.5, None, description=FindingDescription(words))
    chest = radiograph("CHEST", "PA", {})
    chest = replace(chest, findings=(*chest.findings, hat))
    return chest, decide(chest, POLICY)


def waiting() -> tuple[Assessment, Disposition]:
    cause = PendingCause(PendingReason.LOW_CONFIDENCE, Phrase("It is not sure enough."))
    chest = radiograph("CHEST", "PA", {})
    chest = replace(chest, predictions=(Prediction("covid-1.0.0", "ab", "normal", 0.55, {}, pending=(cause,)),))
    return chest, decide(chest, POLICY)


def kept() -> tuple[Assessment, Disposition]:
    gaps = next(one for one in FLAGGING if one.what == "slice_gaps" and one.where.modality == ("CT",))
    reasons = [reason.text for reason in decide(beyond(gaps), POLICY).reasons]
    failed = replace(beyond(gaps), measurements=(), not_assessed=Phrase("It could not be read."), decoder="")
    return failed, with_flag(decide(failed, POLICY), reasons)


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (of_room, "strength 0.3"), (of_package, "probability 0.90"), (waiting, "confidence 0.55"), (kept, "2"),
    ],
)  # fmt: skip
def test_numbers_that_no_rule_of_the_policy_gave_come_first_as_well(
    make: Callable[[], tuple[Assessment, Disposition]], value: str
) -> None:
    assessment, disposition = make()
    with spoken("en"):
        shown = panel_of(assessment, disposition, {})
    assert disposition.flagged
    assert (shown.numbers[0].value, shown.numbers[0].is_beyond) == (value, True)


def test_a_kept_flag_says_why_the_study_is_still_listed() -> None:
    _, disposition = kept()
    with spoken("en"):
        what = panel_of(kept()[0], disposition, {}).what
    assert what == "Still listed, as no later judgement could take it back: Gaps between slices"
