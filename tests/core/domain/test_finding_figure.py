"""A finding with a figure of its own flags images that are not judged as a whole; it makes none of them ACCEPT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.kept_figure import LEAST_AUROC, no_figures
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Outcome, Subject, Then
from miqa_node.core.domain.verdict import EXPERIMENTAL, LOOKED_FOR, Verdict
from miqa_node.core.settings import share_dir
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.words.headline import headline
from miqa_node.errors import SettingsError
from tests.core.domain.test_decide import assessment
from tests.policies import ACCEPT, policy_of, rows_about

FIGURE: dict[str, Any] = {
    "auroc": 0.96, "flagged": 0.03, "body_part": ["KNEE"], "package": "any-radiograph", "found": 0.6, "images": 161,
    "source": "five sources",
}  # fmt: skip
AS_A_WHOLE = {"body_part": ["KNEE"], "package": "any-radiograph", "found": 0.3, "images": 20, "source": "one source"}
ALONE = {"body_part": ["KNEE"], "then": "REVIEW", "min_probability": 0.4, "evidence": "alone"}


def policy(*findings: str, figure: Mapping[str, Any] = FIGURE, by: str = "as a whole", **keys: Any) -> Policy:
    """A rule with a figure of its own for each of these findings, beside those of images that are judged as a whole."""
    whole: list[dict[str, Any]] = [
        {"finding": "motion_blur", "then": "REJECT"},
        {"finding": ["motion_blur", "noise", "unsharp"], "then": "REVIEW"},
    ]
    return policy_of(
        ACCEPT | {"evidence": by},
        *({**one, "evidence": by} for one in whole),
        *({"finding": name, **ALONE, **keys} for name in findings),
        evidence={"as a whole": AS_A_WHOLE, "alone": figure},
    )


def knee(part: str = "KNEE", age: int | None = None, model: str = "any-radiograph", **findings: Any) -> Assessment:
    """Judged by the package for any radiograph; ``findings``: (probability, severity) by finding."""
    judged = assessment(body_part=part, **{"motion_blur": (0.01, 0.0), "noise": (0.01, 0.0), **findings})
    header = replace(judged.header, view_position="AP", age_years=age)
    return replace(
        judged, header=header, model=ModelIdentity(model, "1.0.0", "ab" * 32), experimental=no_figures(header)
    )


def test_it_asks_for_review_from_its_own_point_on_and_for_nothing_worse() -> None:
    own = policy("motion_blur")
    for probability, flags in ((0.39, False), (0.4, True), (0.9, True)):
        verdict = decide(knee(motion_blur=(probability, 0.5)), own)
        assert (verdict.verdict is Verdict.REVIEW, verdict.flags(FindingName("motion_blur"))) == (flags, flags)
        reject, review = rows_about(verdict, "motion_blur")
        assert (review.then, review.outcome is Outcome.FLAGS, review.limits) == (Then.REVIEW, flags, (0.4, 0.0))
        assert (review.evidence, review.why) == (("alone",), "")
        assert (reject.then, reject.outcome is Outcome.HINT) == (Then.REJECT, probability >= 0.5)
    assert decide(knee(noise=(0.99, 0.99)), own).verdict is Verdict.NOT_ASSESSED, "noise has no figure"


@pytest.mark.parametrize(
    "of", [{"part": "SKULL"}, {"age": 5}, {"model": "quality"}, {"part": ""}],
)  # fmt: skip
def test_it_is_about_its_part_its_package_and_its_ages_alone(of: dict[str, Any]) -> None:
    verdict = decide(knee(motion_blur=(0.9, 0.9), **of), policy("motion_blur"))
    assert (verdict.verdict, verdict.experimental) == (Verdict.NOT_ASSESSED, True)
    assert [one.name for one in verdict.reasons] == [EXPERIMENTAL]
    assert all(row.evidence == ("as a whole",) and row.why for row in rows_about(verdict, "motion_blur"))


def test_a_finding_that_tells_too_little_stays_a_hint() -> None:
    blind = policy("motion_blur", figure=FIGURE | {"auroc": 0.94})
    verdict = decide(knee(motion_blur=(0.99, 0.99)), blind)
    assert verdict.verdict is Verdict.NOT_ASSESSED
    assert "30 % are found" in verdict.reasons[0].text


def test_policies_of_sites_without_such_evidence_keep_hints() -> None:
    verdict = decide(knee(motion_blur=(0.99, 0.99)), policy())
    assert verdict.verdict is Verdict.NOT_ASSESSED
    assert "What was found is listed and flags nothing." in verdict.reasons[0].text


def test_nothing_found_is_never_accepted_and_says_in_a_sentence_what_it_is_and_what_was_looked_for() -> None:
    own = policy("motion_blur", "unsharp", "sticker")
    verdict = decide(knee(unsharp=(0.1, 0.1)), own)
    assert (verdict.verdict, verdict.flagged, verdict.experimental) == (Verdict.NOT_ASSESSED, False, True)
    assert [one.name for one in verdict.reasons] == [EXPERIMENTAL, LOOKED_FOR]
    assert verdict.reasons[0].text == "Not judged as a whole: KNEE AP is not switched on here."
    assert verdict.reasons[1].text == "Looked for: Motion blur, Unsharp; none was found.", "the package knows no more"
    knee_alone = replace(knee(unsharp=(0.1, 0.1)), header=replace(knee().header, view_position=""))
    plain = decide(knee_alone, own)
    assert headline(knee_alone, plain) == "Looked at in part. Looked for: Motion blur, Unsharp; none was found."


def test_switched_on_parts_go_by_their_rules() -> None:
    on = policy("motion_blur", by="site")
    assert decide(knee(motion_blur=(0.45, 0.5)), on).verdict is Verdict.ACCEPT, "below the package's own point"
    assert decide(knee(motion_blur=(0.9, 0.9)), on).verdict is Verdict.REJECT
    assert {row.evidence for row in decide(knee(), on).rules} == {("site",)}


@pytest.mark.parametrize(
    ("change", "says"),
    [({"auroc": 2}, "auroc is 2"), ({"package": ""}, "package is missing"), ({"seen": 3}, "there is no key seen"),
     ({"flagged": 2}, "flagged is 2"), ({"found": ""}, "found is missing"), ({"auroc": ""}, "auroc is missing")],
)  # fmt: skip
def test_a_wrong_figure_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=f"evidence 'alone': .*{says}"):
        policy("motion_blur", figure=FIGURE | change)


@pytest.mark.parametrize(
    ("keys", "says"),
    [({"min_probability": 0}, "min_probability or min_severity is missing"), ({"then": "REJECT"}, "REVIEW alone"),
     ({"then": "HINT"}, "REVIEW alone"), ({"evidence": ["alone", "as a whole"]}, "REVIEW alone"),
     ({"finding": "motion_blurr"}, "did you mean .motion_blur")],
)  # fmt: skip
def test_such_evidence_is_for_review_from_a_point_on_alone(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=f"rule 4: .*{says}"):
        policy("motion_blur", **keys)


def test_such_evidence_makes_nothing_accept_and_no_measurement_flag() -> None:
    anomaly = {"measurement": "anomaly", "min_percentile": 99, "then": "REVIEW"}
    for rule in (ACCEPT, anomaly):
        with pytest.raises(SettingsError, match="evidence with an auroc is for a finding and REVIEW alone"):
            policy_of({**rule, "evidence": "alone"}, evidence={"alone": FIGURE})


def test_the_shipped_policy_has_one_of_each_finding_that_tells_defects_on_sources_left_out() -> None:
    shipped = read_policy(share_dir("config") / "policy.toml")
    rules = [rule for rule in shipped.of(Subject.FINDING) if rule.flags_alone]
    assert {rule.what for rule in rules} == {"motion_blur", "unsharp", "noise"}
    figures = [one for rule in rules for one in rule.figures]
    assert all((one.auroc or 0) >= LEAST_AUROC and one.flagged <= 0.03 and one.images >= 20 for one in figures)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [({}, Verdict.NOT_ASSESSED), ({"motion_blur": (0.9, 0.9)}, Verdict.REVIEW),
     ({"unsharp": (0.9, 0.9)}, Verdict.REVIEW),
     ({"noise": (0.67, 0.73)}, Verdict.NOT_ASSESSED), ({"grid_artifact": (1.0, 1.0)}, Verdict.NOT_ASSESSED)],
)  # fmt: skip
def test_a_knee_that_moved_goes_to_review_by_the_shipped_policy(findings: dict[str, Any], verdict: Verdict) -> None:
    image = knee(**findings)
    image = replace(image, model=ModelIdentity("any-radiograph", "0.3.0", "ab" * 32))
    decided = decide(image, read_policy(share_dir("config") / "policy.toml"))
    assert decided.verdict is verdict
    assert decided.flagged == (verdict is Verdict.REVIEW)


@pytest.mark.parametrize(
    ("part", "motion", "flags"),
    [("KNEE", (0.14, 0.9), False), ("HAND", (0.15, 0.3), True), ("KNEE", (0.25, 0.3), True),
     ("SPINE", (0.19, 0.9), False), ("LSPINE", (0.30, 0.6), False), ("SPINE", (0.30, 0.7), True)],
)  # fmt: skip
def test_motion_of_limbs_has_an_earlier_point_than_that_of_the_spine(
    part: str, motion: tuple[float, float], flags: bool
) -> None:
    """Films of whole spines look moved now and then, but slightly."""
    shipped = read_policy(share_dir("config") / "policy.toml")
    image = replace(knee(part, motion_blur=motion), model=ModelIdentity("any-radiograph", "0.3.0", "ab" * 32))
    assert decide(image, shipped).flags(FindingName("motion_blur")) is flags
