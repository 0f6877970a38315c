"""The verdict is a pure function of assessment and policy."""

from __future__ import annotations

import tomllib
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
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.taxonomy.lookup import defect_names, finding_names, quality_score, reason_code
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import SettingsError

POLICY = """
version = "test-1"

[[scope]]
name = "chest"
modality = ["CR", "DX"]
body_part = ["CHEST"]
finding = [
  { name = "motion_blur", verdict = "REVIEW" },
  { name = "motion_blur", verdict = "REJECT", min_severity = 0.75, min_probability = 0.9 },
  { name = "foreign_object", verdict = "REVIEW" },
  { name = "gate", verdict = "REVIEW" },
]
measurement = [{ name = "pixels_at_maximum", above = 20.0, verdict = "REJECT", reason = "overexposure_saturation" }]
plausibility = [{ name = "photometric_inverted", verdict = "REVIEW" }]

[[scope]]
name = "rest of radiography"
modality = ["CR", "DX"]
measurement = [{ name = "entropy", below = 1.0, verdict = "REVIEW", reason = "underexposure" }]
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return parse_policy(tomllib.loads(POLICY))


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


def test_a_finding_below_its_operating_point_is_no_reason(policy: Policy) -> None:
    assert decide(assessment(motion_blur=(0.49, 1.0)), policy).verdict is Verdict.ACCEPT


def test_the_worst_rule_of_a_finding_counts_and_is_named_once(policy: Policy) -> None:
    mild = decide(assessment(motion_blur=(0.95, 0.5)), policy)
    severe = decide(assessment(motion_blur=(0.95, 0.8)), policy)
    unsure = decide(assessment(motion_blur=(0.85, 0.8)), policy)
    assert [d.verdict for d in (mild, severe, unsure)] == [Verdict.REVIEW, Verdict.REJECT, Verdict.REVIEW]
    assert [(r.name, r.code, r.verdict) for r in severe.reasons] == [("motion_blur", MOTION_BLUR, Verdict.REJECT)]
    assert "0.95" in severe.reasons[0].text


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
    no_gate_rule = Policy("x", (policy.scopes[1],))
    assert decide(outside, no_gate_rule).verdict is Verdict.NOT_ASSESSED


@pytest.mark.parametrize(
    ("flaws", "names", "expected"),
    [
        ((), ["another_kind"], Verdict.NOT_ASSESSED),
        (("contradiction",), ["pixels_contradict_body_part"], Verdict.REVIEW),
        (("contradiction", "motion"), ["motion_blur", "pixels_contradict_body_part"], Verdict.REJECT),
        (("exposure",), ["pixels_at_maximum"], Verdict.REJECT),
        (("dark",), ["another_kind"], Verdict.NOT_ASSESSED),
        (("enough",), ["another_kind"], Verdict.NOT_ASSESSED),
    ],
)
def test_what_needs_no_anatomy_outranks_that_an_image_is_of_another_kind(
    flaws: tuple[str, ...], names: list[str], expected: Verdict
) -> None:
    """A chest that was blurred until it was hardly one was NOT_ASSESSED, and on no list."""
    table = tomllib.loads(POLICY)
    table["scope"][0].setdefault("plausibility", []).append(
        {"name": "pixels_contradict_body_part", "verdict": "REVIEW"}
    )
    dark = {"name": "crushed_dark_share", "above": 5, "verdict": "REVIEW", "reason": "contrast_processing"}
    table["scope"][0]["measurement"].append(dark)
    table["scope"][0]["accept"] = [{"measured": ["entropy"], "tried_on": ["one", "two"]}]
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
    disposition = decide(hand, parse_policy(table))
    assert ([reason.name for reason in disposition.reasons], disposition.verdict) == (names, expected)
    assert disposition.flagged is expected.flagged


def test_measurements_and_plausibility(policy: Policy) -> None:
    clipped = replace(assessment(), measurements=(Measurement("pixels_at_maximum", 25.0, "%"),))
    assert decide(clipped, policy).verdict is Verdict.REJECT
    assert "25 %" in decide(clipped, policy).reasons[0].text
    fine = replace(assessment(), measurements=(Measurement("pixels_at_maximum", 20.0, "%"),))
    assert decide(fine, policy).verdict is Verdict.ACCEPT
    issue = PlausibilityIssue("photometric_inverted", "The grayscale looks inverted.", INAPPROPRIATE_PROCESSING)
    other = PlausibilityIssue("orientation_missing", "There is no Patient Orientation.", OTHER_FAILURE)
    assert decide(replace(assessment(), plausibility=(issue, other)), policy).verdict is Verdict.REVIEW
    assert decide(replace(assessment(), plausibility=(other,)), policy).verdict is Verdict.ACCEPT


def test_out_of_scope_is_never_accepted(policy: Policy) -> None:
    knee = decide(assessment(body_part="KNEE", not_assessed="Body Part Examined KNEE is outside."), policy)
    assert (knee.verdict, knee.scope) == (Verdict.NOT_ASSESSED, "rest of radiography")
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
        ("[[scope]]", "version"),
        ("", r"\[\[scope\]\]"),
        ("[[scope]]\nfindings=[]", "findings"),
        ("[[scope]]\nfinding=[{name='motion_blurr', verdict='REVIEW'}]", "did you mean 'motion_blur'"),
        ("[[scope]]\nfinding=[{name='motion_blur', verdict='ACCEPT'}]", "ACCEPT"),
        ("[[scope]]\nfinding=[{name='motion_blur', verdict='REVIEW', min_sevrity=1}]", "min_sevrity"),
        ("[[scope]]\nmeasurement=[{name='entropy', verdict='REVIEW', reason='unsharp'}]", "above"),
    ],
)
def test_a_wrong_policy_says_where(text: str, names: str) -> None:
    with pytest.raises(SettingsError, match=names):
        parse_policy(tomllib.loads(text if names == "version" else f"version='1'\n{text}"))


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


def test_default_rules_stand_for_findings_without_a_rule_and_ignored_ones_never_flag() -> None:
    scope = {"name": "chest", "default_findings": True, "ignored_findings": ["foreign_object"],
             "finding": [{"name": "unsharp", "verdict": "REVIEW", "min_severity": 0.9}]}  # fmt: skip
    policy = parse_policy({"version": "1", "scope": [scope]})
    assert decide(assessment(motion_blur=(0.95, 0.8)), policy).verdict is Verdict.REJECT
    assert decide(assessment(unsharp=(0.95, 0.8)), policy).verdict is Verdict.ACCEPT
    assert decide(assessment(foreign_object=(0.99, 1.0)), policy).verdict is Verdict.ACCEPT


def test_a_finding_with_words_of_its_own_asks_for_a_look_unless_the_policy_or_its_card_says_otherwise() -> None:
    def seen(*, flags: bool = True, **scope: Any) -> Disposition:
        described = FindingDescription({"en": FindingWords("Patient moved")}, flags=flags)
        own = Finding(FindingName("patient_motion"), OTHER_FAILURE, 0.9, 0.5, 0.5, description=described)
        base = assessment()
        policy = parse_policy({"version": "1", "scope": [{"name": "all", **scope}]})
        return decide(replace(base, findings=(*base.findings, own)), policy)

    assert seen().verdict is Verdict.REVIEW
    assert seen().reasons[0].text == "Patient moved: probability 0.90, severity 0.50"
    assert seen(flags=False).verdict is Verdict.ACCEPT
    assert seen(ignored_findings=["patient_motion"]).verdict is Verdict.ACCEPT
    rejects = [{"name": "patient_motion", "verdict": "REJECT"}]
    assert seen(finding=rejects).verdict is Verdict.REJECT
    assert seen(finding=rejects).reasons[0].text.startswith("Patient moved:")


def test_an_object_is_flagged_where_it_hides_anatomy_and_else_only_reported() -> None:
    shipped = parse_policy({"version": "t", "scope": [{"name": "all", "default_findings": True}]})

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
    rule = {"name": "foreign_object", "verdict": "REVIEW", "over": ["outside"]}
    own = parse_policy({"version": "t", "scope": [{"name": "all", "finding": [rule]}]})
    assert [verdict(place, own) for place in over.values()] == [Verdict.ACCEPT, Verdict.ACCEPT, Verdict.REVIEW]
    with pytest.raises(SettingsError, match="heart"):
        parse_policy({"version": "t", "scope": [{"name": "all", "finding": [{**rule, "over": ["heart"]}]}]})
