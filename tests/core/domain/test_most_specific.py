"""Of the rules about the same what the most specific where applies, and rules about anything else go on applying."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Outcome, Then
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import SettingsError
from tests.core.domain.test_decide import assessment
from tests.policies import ACCEPT, DEFAULT, document, policy_of, rows_about

CHEST, ROOM = "chest", "room 2"
PLACES: Mapping[str, Any] = {
    "all": {},
    ROOM: {"room": ["ROOM2"]},
    CHEST: {"body_part": ["CHEST"]},
    "chest of children": {"body_part": ["CHEST"], "age": [6, 18]},
    "elsewhere": {"except": [CHEST]},
}
NOISY = Measurement("noise_share", 5.0, "%")


def rule(then: str = "REVIEW", where: str = "all", finding: str = "noise", **keys: Any) -> dict[str, Any]:
    return {"where": where, "finding": finding, "then": then, **keys}


def limit(where: str = "all", then: str = "REVIEW", **keys: Any) -> dict[str, Any]:
    return {"where": where, "measurement": "noise_share", "then": then, "reason": "noise", **(keys or {"above": 3})}


def policy(*rules: Mapping[str, Any]) -> Policy:
    return policy_of(ACCEPT, *rules, where=PLACES)


def image(room: str = "", age: int | None = None, part: str = "CHEST", **findings: Any) -> Assessment:
    judged = assessment(body_part=part, **findings)
    return replace(judged, header=replace(judged.header, station_name=room, age_years=age), measurements=(NOISY,))


def test_the_rule_that_names_more_applies_wherever_it_stands() -> None:
    wide, narrow = rule(), rule(where=CHEST, min_severity=0.9)
    for rules in ((wide, narrow), (narrow, wide)):
        decided = decide(image(noise=(0.8, 0.5)), policy(*rules))
        assert decided.verdict is Verdict.ACCEPT
        [row] = rows_about(decided, "noise")
        assert (row.place, row.limits, row.outcome) == (CHEST, (0.5, 0.9), Outcome.WITHIN)
        assert decide(image(part="KNEE", noise=(0.8, 0.5)), policy(*rules)).verdict is Verdict.REVIEW


def test_of_two_that_name_as_much_the_part_of_the_other_applies() -> None:
    chests, frontal = {"body_part": ["CHEST", "KNEE"]}, {"body_part": ["CHEST"]}
    rules = [
        {"where": [], **where, "finding": "noise", "then": "REVIEW", "min_severity": least}
        for where, least in ((frontal, 0.9), (chests, 0.1))
    ]
    one = policy_of({**ACCEPT, "where": []}, *rules)
    assert decide(image(noise=(0.8, 0.5)), one).verdict is Verdict.ACCEPT
    assert decide(image(part="KNEE", noise=(0.8, 0.5)), one).verdict is Verdict.REVIEW


def test_other_verdicts_and_sides_of_the_same_what_go_on_applying() -> None:
    """A rule for REVIEW takes the place of no rule for REJECT, and one above a limit of none below."""
    both = policy(rule("REJECT", min_severity=0.8), rule(where=CHEST, min_severity=0.4), limit(), limit(CHEST, below=1))
    decided = decide(image(noise=(0.8, 0.9)), both)
    assert decided.verdict is Verdict.REJECT
    assert [(row.then, row.place) for row in rows_about(decided, "noise")] == [
        (Then.REJECT, "all"), (Then.REVIEW, CHEST),
    ]  # fmt: skip
    assert [(row.side, row.outcome) for row in rows_about(decided, "noise_share")] == [
        ("above", Outcome.FLAGS), ("below", Outcome.WITHIN),
    ]  # fmt: skip


def test_a_rule_of_a_room_silences_no_rule_about_anything_else() -> None:
    of_room = policy(rule(finding="unsharp"), limit(), rule("HINT", ROOM))
    decided = decide(image("ROOM2", unsharp=(0.9, 0.9), noise=(0.9, 0.9)), of_room)
    assert {reason.name for reason in decided.reasons} == {"unsharp", "noise_share"}
    assert {row.what for row in decided.rules} == {"unsharp", "noise", "noise_share", "all"}
    assert decided.scope == ROOM


@pytest.mark.parametrize("then", ["REVIEW", "REJECT"])
def test_a_hint_of_a_narrower_where_takes_the_place_of_flags(then: str) -> None:
    hinted = policy(rule(then), rule("HINT", ROOM))
    here, elsewhere = (decide(image(room, noise=(0.9, 0.9)), hinted) for room in ("ROOM2", "ROOM1"))
    assert (here.verdict, elsewhere.verdict) == (Verdict.ACCEPT, Verdict(then))
    [row] = rows_about(here, "noise")
    assert (row.then, row.outcome, row.place, row.values) == (Then.HINT, Outcome.HINT, ROOM, (0.9, 0.9))


def test_a_hint_takes_the_place_of_nothing_narrower_and_of_no_other_side() -> None:
    flagged = policy(rule("HINT"), rule(where=ROOM))
    assert decide(image("ROOM2", noise=(0.9, 0.9)), flagged).verdict is Verdict.REVIEW
    assert decide(image("ROOM1", noise=(0.9, 0.9)), flagged).verdict is Verdict.ACCEPT
    sides = policy(limit(), limit(ROOM, "HINT", below=1))
    assert decide(image("ROOM2"), sides).verdict is Verdict.REVIEW, "above the limit of all rooms"
    assert decide(image("ROOM2"), policy(limit(), limit(ROOM, "HINT", above=1))).verdict is Verdict.ACCEPT


def test_a_rule_that_names_a_finding_takes_the_place_of_its_default_rule_with_the_same_then() -> None:
    strong, slight = image(noise=(0.99, 1.0)), image(noise=(0.99, 0.3))
    assert decide(strong, policy(DEFAULT)).verdict is Verdict.REJECT
    assert decide(slight, policy(DEFAULT)).verdict is Verdict.REVIEW
    for where in ("all", CHEST):
        with_own = policy(DEFAULT, rule(where=where, min_severity=0.4))
        assert decide(slight, with_own).verdict is Verdict.ACCEPT
        assert [row.then for row in rows_about(decide(slight, with_own), "noise")] == [Then.REVIEW, Then.REJECT]
        assert decide(strong, with_own).verdict is Verdict.REJECT, "the default for REJECT goes on applying"
        assert decide(strong, policy(DEFAULT, rule(where=where, then="HINT"))).verdict is Verdict.ACCEPT
    own = policy({**DEFAULT, "where": CHEST}, rule(min_severity=0.4))
    assert decide(slight, own).verdict is Verdict.REVIEW, "the default is more specific"


def test_what_default_rules_leave_out_is_listed_and_silences_no_rule_but_default_ones() -> None:
    strong = image(noise=(0.99, 1.0))
    left_out = {**DEFAULT, "where": CHEST, "except": ["noise"]}
    assert decide(strong, policy(DEFAULT, left_out)).verdict is Verdict.ACCEPT
    assert decide(strong, policy(rule(), left_out)).verdict is Verdict.REVIEW
    assert decide(strong, policy({**DEFAULT, "except": ["noise"]}, rule())).verdict is Verdict.REVIEW


def test_a_place_that_excepts_another_covers_none_of_its_images() -> None:
    apart = policy({**rule(where="elsewhere"), "min_severity": 0.2}, rule(where=CHEST, min_severity=0.9))
    assert decide(image(noise=(0.8, 0.5)), apart).scope == CHEST
    assert decide(image(noise=(0.8, 0.5)), apart).verdict is Verdict.ACCEPT
    assert decide(image(part="KNEE", noise=(0.8, 0.5)), apart).verdict is Verdict.REVIEW
    with pytest.raises(SettingsError, match="where 'a': except: no place above is called 'chst'"):
        policy_of(ACCEPT, where={"a": {"except": ["chst"]}})


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (5, Verdict.NOT_ASSESSED),
        (6, Verdict.REVIEW),
        (17, Verdict.REVIEW),
        (18, Verdict.ACCEPT),
        (None, Verdict.ACCEPT),
    ],
)
def test_an_age_is_from_and_below_and_an_unknown_one_an_adults(age: int | None, verdict: Verdict) -> None:
    of_age = policy(rule("HINT"), rule(where="chest of children"))
    assert decide(image(age=age, noise=(0.9, 0.9)), of_age).verdict is verdict


@pytest.mark.parametrize("age", [[6], [6, 6], [18, 6], [-1, 6], [6, 151], [6.0, 18], "18", [False, True], 6])
def test_an_age_that_cannot_be_is_refused(age: Any) -> None:
    with pytest.raises(SettingsError, match=r"age is .*two whole numbers of years, from and below"):
        policy_of({**ACCEPT, "age": age})


FILE = """version = "1"
[where.chest]
body_part = ["CHEST"]
[where."room 2"]
room = ["ROOM2"]
[[rule]]
where = "chest"
evidence = "site"
each = [
    { finding = "unsharp", then = "REVIEW" },
    { finding = "noise", then = "REVIEW" },
]
[[rule]]
where = "room 2"
evidence = "site"
finding = "noise"
then = "REVIEW"
"""


def parsed(text: str) -> Policy:
    return parse_policy(tomllib.loads(text), text)


def test_two_equally_specific_rules_are_an_error_with_both_lines() -> None:
    with pytest.raises(SettingsError, match="line 11 and line 16 are two rules about noise and REVIEW for the same"):
        parsed(FILE)
    parsed(FILE.replace('finding = "noise"\nthen', 'finding = "noise"\nbody_part = ["CHEST"]\nthen'))
    parsed(FILE.replace('finding = "noise"\nthen', 'finding = "noise"\nbody_part = ["KNEE"]\nthen'))
    parsed(FILE.replace('room = ["ROOM2"]', 'room = ["ROOM2"]\nexcept = ["chest"]'))


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([rule(), rule()], "rule 1 and rule 2 are two rules about noise and REVIEW"),
        ([rule(), rule("REJECT"), rule("REJECT")], "rule 2 and rule 3 are two rules about noise and REJECT"),
        ([limit(), limit(above=7)], "rule 1 and rule 2 are two rules about noise_share and REVIEW"),
        ([DEFAULT, DEFAULT], "rule 1 and rule 2 are two rules about"),
        ([ACCEPT, ACCEPT], "rule 1 and rule 2 are two rules about all and ACCEPT"),
        ([rule(), limit(), limit(below=2), limit(above="usual"), limit("all", "HINT"), rule("HINT"), DEFAULT], ""),
    ],
)
def test_the_same_what_and_then_twice_for_the_same_images_is_refused(rules: list[dict[str, Any]], says: str) -> None:
    if not says:
        policy_of(*rules)
        return
    with pytest.raises(SettingsError, match=says):
        policy_of(*rules)


def test_every_rule_is_asked_for_its_evidence() -> None:
    unproven = document({**rule(), "evidence": "card"})
    del unproven["rule"][0]["evidence"]
    with pytest.raises(SettingsError, match=r"rule 1: evidence is missing; name a record \[evidence"):
        parse_policy(unproven)
    for wrong, says in (("sites", "no record 'sites'. Did you mean 'site'"), (["site", "card"], "stand alone")):
        with pytest.raises(SettingsError, match=says):
            policy_of({**rule(), "evidence": wrong})
    with pytest.raises(SettingsError, match="evidence 'site': this name has a meaning of its own"):
        policy_of(rule(), evidence={"site": {}})
    trials = {"ours": {"tried_on": ["one", "two"]}}
    with pytest.raises(SettingsError, match=r"trials on scanners are for measurements and contradictions"):
        policy_of({**rule(), "evidence": "ours"}, evidence=trials)


def test_the_word_of_a_site_counts_where_a_card_does_not() -> None:
    """What the package calls experimental, or of small children."""
    young = image(age=3, noise=(0.9, 0.9))
    unproven = replace(image(noise=(0.9, 0.9)), experimental="Experimental: no figures exist for CHEST.")
    for one in (young, unproven):
        by_card, by_site = (decide(one, policy({**rule(), "evidence": of})) for of in ("card", "site"))
        assert (by_card.verdict, by_site.verdict) == (Verdict.NOT_ASSESSED, Verdict.REVIEW)
        [hint], [flag] = rows_about(by_card, "noise"), rows_about(by_site, "noise")
        assert (hint.outcome, hint.evidence, flag.outcome, flag.why) == (
            Outcome.HINT, ("card",), Outcome.FLAGS, "",
        )  # fmt: skip
        assert hint.why.startswith("Experimental: no figures exist for ")
        quiet = replace(one, findings=image().findings)
        assert rows_about(decide(quiet, policy({**rule(), "evidence": "card"})), "noise")[0].why == ""
        assert decide(quiet, policy()).verdict is Verdict.NOT_ASSESSED, "ACCEPT needs its evidence, too"
        own_word = policy_of({**ACCEPT, "evidence": "site"})
        assert decide(quiet, own_word).verdict is Verdict.ACCEPT
    assert rows_about(decide(young, policy()), "all")[0].why.startswith("Experimental: no figures exist for children")


def test_a_rule_for_accept_of_a_room_takes_the_place_of_the_one_for_all() -> None:
    own_word = policy({**ACCEPT, "where": ROOM, "evidence": "site"})
    here, elsewhere = (decide(image(room, age=3), own_word) for room in ("ROOM2", "ROOM1"))
    assert (here.verdict, elsewhere.verdict) == (Verdict.ACCEPT, Verdict.NOT_ASSESSED)
    [row] = rows_about(here, "all")
    assert (row.place, row.evidence, row.outcome) == (ROOM, ("site",), Outcome.ACCEPTS)


def test_findings_that_are_silenced_are_listed_alone() -> None:
    silent = policy(rule("REJECT"), rule()).silencing(["noise"])
    decided = decide(image(noise=(0.9, 0.9)), silent)
    assert decided.verdict is Verdict.ACCEPT
    assert {row.outcome for row in rows_about(decided, "noise")} == {Outcome.HINT}
    assert not decided.flags(FindingName("noise"))
