"""An image is ACCEPT only where a model is known to find defects; elsewhere its verdict is experimental."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.kept_figure import no_figures
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.verdict import EXPERIMENTAL, Verdict
from miqa_node.errors import SettingsError
from tests.core.domain.test_decide import assessment
from tests.policies import ACCEPT, policy_of, rows_about

EVIDENCE: dict[str, Any] = {
    "thorax": {"body_part": ["Thorax"], "view": ["PA"], "found": 0.61, "images": 121, "source": "three hospitals"},
    "knee": {"body_part": ["KNEE"], "package": "any-radiograph-1.0.0", "found": 0.3, "images": 56,
             "source": "FracAtlas"},
    "hand": {"body_part": ["HAND"], "package": "any-radiograph", "found": 0.7, "images": 90, "source": "St. Mary"},
}  # fmt: skip
MOTION = {"finding": "motion_blur", "then": "REVIEW"}


def by_evidence(*names: str, **records: Any) -> Policy:
    """What a model finds counts by this evidence, and what is measured by the word of the site."""
    of_models = {"evidence": list(names)}
    return policy_of(
        ACCEPT | of_models,
        MOTION | of_models,
        {"measurement": "anomaly", "min_percentile": 99.0, "then": "REVIEW"} | of_models,
        {"measurement": "entropy", "below": 1.0, "then": "REVIEW", "reason": "underexposure"},
        evidence=records,
    )


@pytest.fixture(scope="module")
def policy() -> Policy:
    return by_evidence(*EVIDENCE, **EVIDENCE)


def image(
    part: str, view: str = "PA", age: int | None = None, model: str = "quality", *, motion: bool = False
) -> Assessment:
    """An image that the package ``model`` judged; the one for any radiograph calls every part experimental."""
    judged = assessment(body_part=part, motion_blur=(0.9, 0.9) if motion else (0.01, 0.0))
    header = replace(judged.header, view_position=view, age_years=age)
    why = no_figures(header) if model == "any-radiograph" else ""
    return replace(judged, header=header, model=ModelIdentity(model, "1.0.0", "ab" * 32), experimental=why)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ({"part": "CHEST"}, ""),
        ({"part": "CHEST", "age": 6}, ""),
        ({"part": "CHEST", "age": 5}, "no figures exist for children under 6 years"),
        ({"part": "CHEST", "view": "LATERAL"}, "no figures exist for CHEST LATERAL"),
        ({"part": "SKULL"}, "no figures exist for SKULL PA"),
        ({"part": "SKULL", "view": "DOE JOHN"}, "no figures exist for SKULL."),  # whatever a console writes there
        ({"part": "", "model": "any-radiograph"}, "the body part is unknown"),
        ({"part": "CHEST", "model": "any-radiograph"}, "no figures exist for CHEST PA"),
        ({"part": "KNEE", "model": "any-radiograph"}, "KNEE PA, 30 % are found (by 56 images of FracAtlas); 50 % are"),
        ({"part": "KNEE"}, "figures for such images, but none of the package quality-1.0.0"),
        ({"part": "HAND", "model": "any-radiograph"}, ""),
        ({"part": "HAND", "model": "any-radiograph", "age": 2}, "children under 6 years"),
    ],
)
def test_what_no_figure_allows_is_experimental(policy: Policy, of: dict[str, Any], says: str) -> None:
    """Listed, not flagged, never ACCEPT; the reason names the kind of image, or the figure that is too low."""
    quiet, loud = decide(image(**of), policy), decide(image(**of, motion=True), policy)
    [accepts], [flags] = rows_about(quiet, "all"), rows_about(loud, "motion_blur")
    assert accepts.evidence == flags.evidence == tuple(EVIDENCE)
    if not says:
        assert (quiet.verdict, loud.verdict) == (Verdict.ACCEPT, Verdict.REVIEW)
        assert (accepts.outcome, accepts.why, flags.outcome, flags.why) == (Outcome.ACCEPTS, "", Outcome.FLAGS, "")
        return
    assert (accepts.outcome, flags.outcome) == (Outcome.HINT, Outcome.HINT)
    for one in (quiet, loud):
        assert (one.verdict, one.flagged, one.experimental) == (Verdict.NOT_ASSESSED, False, True)
        [reason] = one.reasons
        assert reason.name == EXPERIMENTAL
        assert reason.text.startswith("Experimental: ")
        assert says in reason.text
        assert accepts.why == flags.why == reason.text
    assert rows_about(quiet, "motion_blur")[0].why == "", "within its limit it needs no evidence"


def test_what_needs_no_model_flags_experimental_images_and_an_anomaly_does_not(policy: Policy) -> None:
    unusual = replace(image("CHEST", age=30), anomaly=AnomalyScore(0.9, 99.9))
    assert decide(unusual, policy).verdict is Verdict.REVIEW
    child = replace(unusual, header=replace(unusual.header, age_years=3))
    assert decide(child, policy).verdict is Verdict.NOT_ASSESSED
    [row] = rows_about(decide(child, policy), "anomaly")
    assert (row.outcome, row.values, row.limits, row.side) == (Outcome.HINT, (99.9,), (99.0,), "percentile")
    assert "children under 6 years" in row.why
    flat = replace(child, measurements=(Measurement("entropy", 0.5, "1"),))
    assert [reason.name for reason in decide(flat, policy).reasons] == ["entropy"]


def test_a_site_or_a_package_with_figures_of_its_own_ends_the_experiment(policy: Policy) -> None:
    assert decide(replace(image("SKULL"), has_figures=True), policy).verdict is Verdict.ACCEPT
    assert decide(replace(image("SKULL", age=1), has_figures=True), policy).verdict is Verdict.NOT_ASSESSED
    own = by_evidence("site")
    assert decide(image("SKULL", age=1), own).verdict is Verdict.ACCEPT
    assert decide(image("SKULL", age=1, motion=True), own).verdict is Verdict.REVIEW


def test_the_card_is_evidence_that_follows_the_package_and_the_age() -> None:
    policy = by_evidence("card")
    assert decide(image("SKULL"), policy).verdict is Verdict.ACCEPT
    assert decide(image("SKULL", age=5), policy).verdict is Verdict.NOT_ASSESSED
    assert decide(image("SKULL", model="any-radiograph"), policy).verdict is Verdict.NOT_ASSESSED


def test_a_figure_of_children_allows_them() -> None:
    figure = {"body_part": ["CHEST"], "found": 0.6, "images": 80, "source": "us", "least_age_years": 0}
    policy = by_evidence("ours", ours=figure)
    assert decide(image("CHEST", age=0), policy).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("change", "says"),
    [({"found": 1.5}, "found"), ({"images": ""}, "images is missing"), ({"source": ""}, "source is missing"),
     ({"images": 0}, "images is 0"), ({"package": ["a", "b"]}, "package is"), ({"package": ""}, "package is missing"),
     ({"seen": 3}, "there is no key seen"), ({"least_age_years": 300}, "least_age_years")],
)  # fmt: skip
def test_a_wrong_figure_is_named(change: dict[str, Any], says: str) -> None:
    figure = {"body_part": ["CHEST"], "found": 0.6, "images": 80, "source": "us", **change}
    with pytest.raises(SettingsError, match=f"evidence 'ours': .*{says}"):
        by_evidence("ours", ours=figure)


def test_a_figure_counts_where_a_rule_names_it_alone() -> None:
    """A record that no rule names says nothing, and one rule's figure is none of another's."""
    motion, noise = ({"finding": name, "then": "REVIEW"} for name in ("motion_blur", "noise"))
    split = policy_of(ACCEPT | {"evidence": "thorax"}, motion | {"evidence": "thorax"}, noise | {"evidence": "hand"},
                      evidence=EVIDENCE)  # fmt: skip
    decided = decide(image("CHEST", motion=True), split)
    assert [reason.name for reason in decided.reasons] == ["motion_blur"]
    loud = image("CHEST")
    findings = tuple(replace(one, probability=0.9) if one.name == "noise" else one for one in loud.findings)
    decided = decide(replace(loud, findings=findings), split)
    assert decided.verdict is Verdict.ACCEPT, "noise is a hint"
    [row] = rows_about(decided, "noise")
    assert (row.outcome, row.evidence) == (Outcome.HINT, ("hand",))
    assert "no figures exist for CHEST PA" in row.why


def test_accept_by_what_a_model_found_takes_figures_of_it_alone() -> None:
    trials = {"tried_on": ["one", "two"]}
    for evidence, says in (({"ours": trials}, "finding = .all. and figures"), ({}, "no record 'ours'")):
        with pytest.raises(SettingsError, match=says):
            policy_of(ACCEPT | {"evidence": "ours"}, evidence=evidence)
