"""A limit by the share of slices: what counts slices is compared with those of the series."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.catalogue import numerals, reworded, spoken
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.core.words.narrative import narrative
from miqa_node.core.words.rule_table import cells_of, cells_of_rule
from miqa_node.errors import SettingsError
from miqa_node.features.worklist.page.study.panel import panel_of
from miqa_node.runtime.store.documents import dump_rules, load_rules
from miqa_node.stages.conclusion.policy_trial import FlaggingRule, compare
from tests.core.domain.test_decide import assessment
from tests.policies import TRIED, measured, policy_of, rows_about

BLANK = {"measurement": "slices_blank", "then": "REVIEW", "reason": "111220"}
COUNTING = ("slice_overlaps", "slices_blank", "slices_differ", "slices_repeated", "slices_unreadable")


def share(limit: float = 0.05, **keys: Any) -> dict[str, Any]:
    return {**BLANK, "share_of_slices": limit, **keys}


def series(blank: float, slices: float | None, place: str = "", name: str = "slices_blank") -> Assessment:
    counts = [] if slices is None else [Measurement("slice_count", slices, "1")]
    of_ct = assessment(modality="CT", not_assessed="no model")
    return replace(of_ct, decoder="x", measurements=(*counts, Measurement(name, blank, "1", place)))


def judged(limit: float, blank: float, slices: float | None, **more: str) -> Disposition:
    return decide(series(blank, slices, **more), policy_of(share(limit)))


def test_it_flags_where_the_share_is_above_the_limit_and_nowhere_else() -> None:
    limits = [0.0, *(one / 100 for one in range(1, 100, 7)), 1 / 3, 0.05, 0.07, 1.0]
    flagged = 0
    for limit, (blank, slices) in product(
        limits, ((one, all_) for all_ in (1, 3, 20, 100, 143) for one in (0, 1, 3, 7))
    ):
        if blank <= slices:
            decided = judged(limit, float(blank), float(slices))
            assert decided.flagged == (blank > limit * slices + 1e-9), (limit, blank, slices)
            [row] = rows_about(decided, "slices_blank")
            assert (row.values, row.limits, row.side) == ((blank, slices), (limit,), "share_of_slices")
            assert load_rules(dump_rules([row])) == (row,)
            flagged += decided.flagged
    assert flagged > 50


@pytest.mark.parametrize("slices", [None, 0.0, float("nan")])
def test_without_the_number_of_slices_it_does_not_apply(slices: float | None) -> None:
    assert not rows_about(judged(0.05, 6.0, slices), "slices_blank")


@pytest.mark.parametrize("name", COUNTING)
def test_every_count_of_slices_has_a_share(name: str) -> None:
    policy = policy_of(share(measurement=name))
    assert decide(series(6.0, 100.0, name=name), policy).verdict is Verdict.REVIEW
    assert not decide(series(6.0, 200.0, name=name), policy).flagged


def test_the_reason_has_count_slices_and_percent_in_each_language() -> None:
    [reason] = judged(0.05, 6.0, 100.0).reasons
    assert reason.text.startswith("Blank slices: 6 of 100 (6 %), above the limit of 5 %. ")
    [reason] = judged(0.0051, 10.0, 1951.0, place="Instance Number 7").reasons
    assert reason.text.startswith("Blank slices: 10 of 1951 (0.513 %) (Instance Number 7), above the limit of 0.51 %.")
    with spoken("de"):
        german = numerals(reworded(reason.text))
        assert german.startswith("Leere Schichten: 10 von 1951 (0,513 %)")
        assert "Grenze von 0,51 %" in german
    decided = judged(0.05, 6.0, 100.0)
    assert any("6 of 100 (6 %), above the limit of 5 %" in one for one in narrative(series(6.0, 100.0), decided))


def test_tables_and_the_panel_show_count_and_share() -> None:
    decided = judged(0.05, 6.0, 100.0)
    [row] = rows_about(decided, "slices_blank")
    assert cells_of(row).line[:3] == ("Blank slices", "6 of 100 (6 %)", "above 5 % of the slices")
    [of_rule] = policy_of(share(0.075)).rules
    assert cells_of_rule(of_rule).line[:3] == ("Blank slices", "", "above 7.5 % of the slices")
    with spoken("de"):
        assert cells_of(row).line[1:3] == ("6 von 100 (6 %)", "über 5 % der Schichten")
    [number] = panel_of(series(6.0, 100.0), decided, {}).numbers
    assert (number.value, number.limit, number.is_beyond) == ("6 of 100 (6 %)", "at most 5 %", True)
    accepting = policy_of(share(), measured("slice_count"), evidence=TRIED)
    [number] = panel_of(series(5.0, 100.0), decide(series(5.0, 100.0), accepting), {}).numbers
    assert (number.value, number.nearness, number.is_beyond) == ("5 of 100 (5 %)", 0.0, False)


def test_a_trial_says_what_a_share_flags_instead_of_a_number() -> None:
    images = [series(6.0, 100.0), series(1.0, 100.0), series(0.0, 100.0), series(1.0, 10.0)]
    trial = compare(images, policy_of({**BLANK, "above": 0}), policy_of(share()))
    change = trial.rules[FlaggingRule("all", "slices_blank", "REVIEW")]
    assert (change.newly.count, change.no_longer.count, trial.flagged_now, trial.flagged_then) == (0, 1, 3, 2)


def test_it_competes_with_a_number_for_the_same_count() -> None:
    number, rooms = {**BLANK, "above": 2}, {"all": {}, "room": {"room": ["ROOM1"]}}

    def there(policy: Policy, room: str) -> list[tuple[str, Outcome]]:
        of = series(3.0, 100.0)
        decided = decide(replace(of, header=replace(of.header, station_name=room)), policy)
        return [(row.side, row.outcome) for row in rows_about(decided, "slices_blank")]

    for wide, narrow in ((number, share()), (share(), number)):
        both = policy_of(wide, {**narrow, "where": "room"}, where=rooms)
        sides = [next(side for side in ("above", "share_of_slices") if side in one) for one in (wide, narrow)]
        assert [there(both, room)[0][0] for room in ("", "ROOM1")] == sides
        assert len(there(both, "ROOM1")) == 1
    with pytest.raises(SettingsError, match="rule 1 and rule 2 are two rules about slices_blank and REVIEW"):
        policy_of(number, share())
    hint = policy_of(number, {**share(0.01), "then": "HINT", "where": "room"}, where=rooms)
    assert there(hint, "ROOM1") == [("share_of_slices", Outcome.HINT)]
    policy_of({**BLANK, "below": 2}, share(), share(then="REJECT"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("share_of_slices = 5", "share_of_slices is 5; it must be a number from 0 to 1"),
        ("share_of_slices = -0.1", "from 0 to 1"),
        ('share_of_slices = "usual"', "from 0 to 1"),
        ("share_of_slices = true", "from 0 to 1"),
        ("above = 2\nshare_of_slices = 0.05", "above and share_of_slices are two limits"),
        ("", "a limit is missing"),
        *(
            (
                f'measurement = "{name}"\nshare_of_slices = 0.05',
                f"measurement is {name!r}; share_of_slices is of counts of slices: .*slices_blank",
            )
            for name in ("noise_sigma", "slice_count", "slice_gaps", "nothing_of_the_sort")
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(keys: str, message: str) -> None:
    what = "" if "measurement" in keys else 'measurement = "slices_blank"\n'
    text = f'version = "1"\n[[rule]]\nevidence = "site"\nthen = "REVIEW"\nreason = "111220"\n{what}{keys}\n'
    with pytest.raises(SettingsError, match=rf"line (2|6): .*{message}"):
        parse_policy(tomllib.loads(text), text)
