"""The verdict is a pure function of assessment and policy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity, PlausibilityIssue
from miqa_node.core.domain.codes import INAPPROPRIATE_PROCESSING, MOTION_BLUR, OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingDescription, FindingName, FindingWords, GateClass
from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Outcome, Then
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.taxonomy.lookup import defect_names, finding_names, quality_score, reason_code
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import SettingsError
from tests.policies import ACCEPT, DEFAULT, policy_of, rows_about

CHEST, REST = "chest", "rest of radiography"
PLACES = {
    CHEST: {"modality": ["CR", "DX"], "body_part": ["CHEST"]},
    REST: {"modality": ["CR", "DX"], "except": [CHEST]},
}
ENTROPY = {"where": REST, "measurement": "entropy", "below": 1.0, "then": "REVIEW", "reason": "underexposure"}
RULES: tuple[Mapping[str, Any], ...] = (
    {**ACCEPT, "where": [CHEST, REST]},
    {"finding": "motion_blur", "then": "REVIEW"},
    {"finding": "motion_blur", "then": "REJECT", "min_severity": 0.75, "min_probability": 0.9},
    {"finding": "foreign_object", "then": "REVIEW"},
    {"finding": "gate", "then": "REVIEW"},
    {"measurement": "pixels_at_maximum", "above": 20.0, "then": "REJECT", "reason": "overexposure_saturation"},
    {"contradiction": "photometric_inverted", "then": "REVIEW"},
    ENTROPY,
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(*RULES, version="test-1", where=PLACES)


def assessment(
    *,
    body_part: str = "CHEST",
    modality: str = "CR",
    not_assessed: str = "",
    quarantined: bool = False,
    **findings: tuple[float, float],
) -> Assessment:
    header = Header(
        "1.2", SopInstanceUid("1.2.3"), SeriesInstanceUid("1.2.4"), StudyInstanceUid("1.2.5"), "1.2.1", modality,
        body_part_examined=body_part,
    )  # fmt: skip
    rows: tuple[Finding, ...] = ()
    if not not_assessed:
        rows = tuple(
            Finding(name, reason_code(name), *findings.get(name, (0.01, 0.0)), threshold=0.5)
            for name in finding_names()
        )
    return Assessment(
        InstanceDigest("d"),
        header,
        datetime(2026, 1, 1, tzinfo=UTC),
        findings=rows,
        not_assessed=not_assessed,
        quarantined=quarantined,
    )


def test_nothing_found_is_accepted(policy: Policy) -> None:
    disposition = decide(assessment(), policy)
    assert (disposition.verdict, disposition.reasons, disposition.policy_version) == (Verdict.ACCEPT, (), "test-1")
    assert not disposition.flagged
    assert {row.outcome for row in disposition.rules} == {Outcome.WITHIN, Outcome.ACCEPTS}
    [accepts] = rows_about(disposition, "all")
    assert (accepts.outcome, accepts.place, accepts.evidence, accepts.why) == (Outcome.ACCEPTS, CHEST, ("card",), "")


def test_nothing_is_accepted_without_a_rule_that_says_so() -> None:
    disposition = decide(assessment(), policy_of(*RULES[1:], where=PLACES))
    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert [reason.text for reason in disposition.reasons] == ["No rule of the policy accepts such images."]
    assert not rows_about(disposition, "all")
    blurred = decide(assessment(motion_blur=(0.95, 0.5)), policy_of(*RULES[1:], where=PLACES))
    assert blurred.verdict is Verdict.REVIEW


def test_a_finding_below_its_operating_point_is_no_reason(policy: Policy) -> None:
    assert decide(assessment(motion_blur=(0.49, 1.0)), policy).verdict is Verdict.ACCEPT


def test_the_worst_rule_of_a_finding_counts_and_is_named_once(policy: Policy) -> None:
    mild = decide(assessment(motion_blur=(0.95, 0.5)), policy)
    severe = decide(assessment(motion_blur=(0.95, 0.8)), policy)
    unsure = decide(assessment(motion_blur=(0.85, 0.8)), policy)
    assert [d.verdict for d in (mild, severe, unsure)] == [Verdict.REVIEW, Verdict.REJECT, Verdict.REVIEW]
    assert [(r.name, r.code, r.verdict) for r in severe.reasons] == [("motion_blur", MOTION_BLUR, Verdict.REJECT)]
    assert "0.95" in severe.reasons[0].text
    review, reject = rows_about(unsure, "motion_blur")
    assert (review.then, review.outcome, review.values, review.limits) == (
        Then.REVIEW, Outcome.FLAGS, (0.85, 0.8), (0.5, 0.0),
    ), "the least probability is at least the operating point of the package"  # fmt: skip
    assert (reject.then, reject.outcome, reject.limits) == (Then.REJECT, Outcome.WITHIN, (0.9, 0.75))
    assert rows_about(unsure, "all")[0].outcome is Outcome.WITHIN, "its evidence suffices, but a rule flags"


def test_every_reason_is_listed_and_the_worst_gives_the_verdict(policy: Policy) -> None:
    disposition = decide(assessment(motion_blur=(0.99, 0.9), foreign_object=(0.8, 0.3)), policy)
    assert disposition.verdict is Verdict.REJECT
    assert [reason.name for reason in disposition.reasons] == ["motion_blur", "foreign_object"]


def test_an_image_outside_the_gate_is_judged_by_the_gate_and_what_needs_no_anatomy(policy: Policy) -> None:
    outside = assessment(gate=(0.9, 0.9), motion_blur=(0.99, 0.9), foreign_object=(0.99, 0.9))
    assert {reason.name for reason in decide(outside, policy).reasons} == {"gate", "motion_blur"}
    assert decide(outside, policy).verdict is Verdict.REJECT
    outside = assessment(gate=(0.9, 0.9), foreign_object=(0.99, 0.9))
    assert [reason.name for reason in decide(outside, policy).reasons] == ["gate"]
    assert decide(outside, policy).reasons[0].text.startswith("Outside the model's scope: probability 0.90")
    inverted = replace(outside.findings[-1], code=reason_code(GateClass.INVERTED))
    looked = decide(
        replace(outside, findings=(*outside.findings[:-1], inverted), gate={GateClass.INVERTED: 0.9}), policy
    )
    assert looked.reasons[0].text.startswith("Grayscale inverted: probability 0.90")
    blurred = assessment(gate=(0.9, 0.9), motion_blur=(0.99, 0.9))
    blurred = replace(blurred, findings=(*blurred.findings[:-1], inverted), gate={GateClass.INVERTED: 0.9})
    assert [reason.name for reason in decide(blurred, policy).reasons] == ["gate"]
    no_gate_rule = policy_of(ACCEPT, ENTROPY, place=REST)
    assert decide(outside, no_gate_rule).verdict is Verdict.NOT_ASSESSED


@pytest.mark.parametrize(
    ("flaws", "names", "expected"),
    [
        ((), ["another_kind"], Verdict.NOT_ASSESSED),
        (("contradiction",), ["pixels_contradict_body_part"], Verdict.REVIEW),
        (("contradiction", "motion"), ["pixels_contradict_body_part", "motion_blur"], Verdict.REJECT),
        (("exposure",), ["pixels_at_maximum"], Verdict.REJECT),
        (("dark",), ["another_kind"], Verdict.NOT_ASSESSED),
        (("enough",), ["another_kind"], Verdict.NOT_ASSESSED),
    ],
)
def test_what_needs_no_anatomy_outranks_that_an_image_is_of_another_kind(
    flaws: tuple[str, ...], names: list[str], expected: Verdict
) -> None:
    """A chest that was blurred until it was hardly one was NOT_ASSESSED, and on no list."""
    own = policy_of(
        *RULES,
        {"contradiction": "pixels_contradict_body_part", "then": "REVIEW"},
        {"measurement": "crushed_dark_share", "above": 5, "then": "REVIEW", "reason": "contrast_processing"},
        {"measurement": ["entropy"], "then": "ACCEPT", "evidence": "ours"},
        where=PLACES,
        evidence={"ours": {"tried_on": ["one", "two"]}},
    )
    values = {"pixels_at_maximum": "exposure", "crushed_dark_share": "dark", "entropy": "enough"}
    hand = replace(
        assessment(not_assessed="Not a chest: the pixels show another kind of image."),
        model=ModelIdentity("quality", "1.0.0", "0" * 64),
        gate={GateClass.NOT_FRONTAL_CHEST: 0.6, GateClass.INVERTED: 0.1},
        measurements=tuple(Measurement(name, 25.0, "%") for name, flaw in values.items() if flaw in flaws),
        findings=(Finding(FindingName.MOTION_BLUR, MOTION_BLUR, 0.99, 0.9, 0.5),) if "motion" in flaws else (),
        plausibility=(PlausibilityIssue("pixels_contradict_body_part", "No chest.", OTHER_FAILURE),)
        if "contradiction" in flaws
        else (),
    )
    assert hand.is_of_another_kind
    disposition = decide(hand, own)
    assert ([reason.name for reason in disposition.reasons], disposition.verdict) == (names, expected)
    assert disposition.flagged is expected.flagged


def test_measurements_and_plausibility(policy: Policy) -> None:
    clipped = replace(assessment(), measurements=(Measurement("pixels_at_maximum", 25.0, "%"),))
    assert decide(clipped, policy).verdict is Verdict.REJECT
    assert "25 %" in decide(clipped, policy).reasons[0].text
    [row] = rows_about(decide(clipped, policy), "pixels_at_maximum")
    assert (row.outcome, row.values, row.limits, row.side) == (Outcome.FLAGS, (25.0,), (20.0,), "above")
    fine = replace(assessment(), measurements=(Measurement("pixels_at_maximum", 20.0, "%"),))
    assert decide(fine, policy).verdict is Verdict.ACCEPT
    issue = PlausibilityIssue("photometric_inverted", "The grayscale looks inverted.", INAPPROPRIATE_PROCESSING)
    other = PlausibilityIssue("orientation_missing", "There is no Patient Orientation.", OTHER_FAILURE)
    assert decide(replace(assessment(), plausibility=(issue, other)), policy).verdict is Verdict.REVIEW
    fine = replace(assessment(), plausibility=(other,))
    assert decide(fine, policy).verdict is Verdict.ACCEPT
    assert [one.outcome for one in rows_about(decide(fine, policy), "photometric_inverted")] == [Outcome.WITHIN]


def test_out_of_scope_is_never_accepted(policy: Policy) -> None:
    knee = decide(assessment(body_part="KNEE", not_assessed="Body Part Examined KNEE is outside."), policy)
    assert (knee.verdict, knee.scope) == (Verdict.NOT_ASSESSED, REST)
    assert "KNEE" in knee.reasons[0].text
    assert decide(assessment(modality="CT"), policy).verdict is Verdict.NOT_ASSESSED


def test_a_rule_on_a_measurement_also_flags_what_no_model_judged(policy: Policy) -> None:
    flat = replace(
        assessment(body_part="KNEE", not_assessed="outside"), measurements=(Measurement("entropy", 0.2, "bit"),)
    )
    assert decide(flat, policy).verdict is Verdict.REVIEW


def test_a_quarantined_image_is_shown_to_people(policy: Policy) -> None:
    disposition = decide(assessment(not_assessed="begun 5 times", quarantined=True), policy)
    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert disposition.flagged


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[[rule]]", "version"),
        ("", r"there is no \[\[rule\]\]"),
        ("[[rule]]\nfindings=[]", "a rule is about one of finding, measurement, contradiction"),
        ("[[rule]]\nfinding='noise'\ncontradiction='blank_image'", "a rule is about one of"),
        ("[[rule]]\nfinding='motion_blurr'\nthen='REVIEW'", "did you mean 'motion_blur'"),
        ("[[rule]]\nfinding='motion_blur'\nthen='ACCEPT'", 'takes finding = "all"'),
        ("[[rule]]\nfinding='motion_blur'\nthen='REVIEW'\nmin_sevrity=1", "min_sevrity"),
        ("[[rule]]\nmeasurement='entropy'\nthen='REVIEW'\nreason='unsharp'", "above"),
    ],
)
def test_a_wrong_policy_says_where(text: str, names: str) -> None:
    says = text.replace("[[rule]]", "[[rule]]\nevidence='site'")
    with pytest.raises(SettingsError, match=names):
        parse_policy(tomllib.loads(says if names == "version" else f"version='1'\n{says}"))


def test_the_score_is_100_without_findings_and_falls_with_each() -> None:
    def rows(**present: tuple[float, float]) -> list[Finding]:
        return [
            Finding(name, reason_code(name), *present.get(name, (0.4, 1.0)), threshold=0.5) for name in defect_names()
        ]

    assert quality_score(rows()) == 100.0
    one = quality_score(rows(motion_blur=(1.0, 0.5)))
    two = quality_score(rows(motion_blur=(1.0, 0.5), unsharp=(0.8, 0.5)))
    assert one == pytest.approx(50.0)
    assert two == pytest.approx(30.0)


def test_default_rules_stand_for_findings_without_a_rule_and_those_left_out_never_flag() -> None:
    policy = policy_of(
        ACCEPT, {**DEFAULT, "except": ["foreign_object"]}, {"finding": "unsharp", "then": "REVIEW", "min_severity": 0.9}
    )
    assert decide(assessment(motion_blur=(0.95, 0.8)), policy).verdict is Verdict.REJECT
    assert decide(assessment(unsharp=(0.95, 0.7)), policy).verdict is Verdict.ACCEPT
    assert decide(assessment(foreign_object=(0.99, 1.0)), policy).verdict is Verdict.ACCEPT
    [row] = rows_about(decide(assessment(foreign_object=(0.99, 1.0)), policy), "foreign_object")
    assert (row.then, row.outcome) == (Then.HINT, Outcome.HINT), "listed"
    assert [row.then for row in rows_about(decide(assessment(), policy), "unsharp")] == [Then.REVIEW, Then.REJECT]


def test_a_finding_with_words_of_its_own_asks_for_a_look_unless_the_policy_or_its_card_says_otherwise() -> None:
    name = "patient_motion"

    def seen(*rules: Mapping[str, Any], flags: bool = True) -> Disposition:
        described = FindingDescription({"en": FindingWords("Patient moved")}, flags=flags)
        own = Finding(FindingName(name), OTHER_FAILURE, 0.9, 0.6, 0.5, description=described)
        base = assessment()
        return decide(replace(base, findings=(*base.findings, own)), policy_of(ACCEPT, *rules))

    assert seen().verdict is Verdict.REVIEW
    assert seen().reasons[0].text == "Patient moved: probability 0.90, severity 0.60"
    [row] = rows_about(seen(), name)
    assert (row.then, row.outcome, row.values, row.limits) == (Then.REVIEW, Outcome.FLAGS, (0.9, 0.6), (0.5, 0.0))
    assert row.evidence == ("card",)
    assert seen(flags=False).verdict is Verdict.ACCEPT
    for without in ({"finding": name, "then": "HINT"}, {**DEFAULT, "except": [name]}):
        assert seen(without).verdict is Verdict.ACCEPT
    rejects = {"finding": name, "then": "REJECT"}
    assert seen(rejects).verdict is Verdict.REJECT
    assert seen(rejects).reasons[0].text.startswith("Patient moved:")


def test_an_object_is_flagged_where_it_hides_anatomy_and_else_only_reported() -> None:
    shipped = policy_of(ACCEPT, DEFAULT)

    def verdict(place: ObjectPlace | None, policy: Policy = shipped) -> Verdict:
        judgement = assessment(foreign_object=(0.8, 0.3))
        placed = tuple(replace(f, place=place) if f.name == "foreign_object" else f for f in judgement.findings)
        return decide(replace(judgement, findings=placed), policy).verdict

    over = {anatomy: ObjectPlace((anatomy,)) for anatomy in ChestRegion}
    assert verdict(over[ChestRegion.LUNG]) is Verdict.REVIEW
    assert verdict(over[ChestRegion.MEDIASTINUM]) is Verdict.REVIEW
    assert verdict(over[ChestRegion.OUTSIDE]) is Verdict.ACCEPT
    assert verdict(ObjectPlace((ChestRegion.MEDIASTINUM, ChestRegion.OUTSIDE))) is Verdict.REVIEW
    assert verdict(None) is Verdict.REVIEW, "nobody knows what it lies over"
    rule = {"finding": "foreign_object", "then": "REVIEW", "over": ["outside"]}
    own = policy_of(ACCEPT, rule)
    assert [verdict(place, own) for place in over.values()] == [Verdict.ACCEPT, Verdict.ACCEPT, Verdict.REVIEW]
    with pytest.raises(SettingsError, match="heart"):
        policy_of({**rule, "over": ["heart"]})
