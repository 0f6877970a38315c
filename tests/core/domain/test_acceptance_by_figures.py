"""Which series can be ACCEPT by measurements: one rule over the figures of ``tried_on``, and what ACCEPT then says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from miqa_node.core.domain.acceptance import LEAST_FOUND
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.moderate_fault import FAULT_NAMES, MODERATE_FAULTS, OTHER_FAULTS, faults_of
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Outcome, Then
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import SettingsError
from tests.policies import policy_of, rows_about
from tests.stages.measure.phantoms import header

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ALL_FOUND = {one.name: 1.0 for one in faults_of("CT")}


def trial(scanner: str = "one", series: int = 5, false_alarms: int = 0, **changes: float) -> dict[str, Any]:
    shares = ALL_FOUND | {name.replace("_", " "): share for name, share in changes.items()}
    return {"scanner": scanner, "series": series, "false_alarms": false_alarms, "found": shares}


GAPS = {"measurement": "slice_gaps", "above": 0, "then": "REVIEW", "reason": "111209"}
TABLE = {"measurement": ["ct_noise", "slice_gaps"], "then": "ACCEPT", "body_part": ["CHEST"], "evidence": "tried"}


def policy(*trials: Mapping[str, Any], **keys: Any) -> Policy:
    evidence = {"tried": {"tried_on": list(trials)}}
    return policy_of(GAPS, TABLE | keys, where={"CT": {"modality": ["CT"]}}, evidence=evidence)


def series(part: str = "CHEST") -> Assessment:
    numbers = tuple(Measurement(name, 0.0, "1") for name in ("ct_noise", "slice_gaps"))
    unjudged = Assessment(
        InstanceDigest("d"),
        header(modality="CT", body_part_examined=part),
        NOW,
        decoder="x",
        not_assessed="None.",
        kind="body",
    )
    return replace(unjudged, measurements=numbers)


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        ([trial(), trial("two")], ""),
        ([trial(), trial("two", ring=0.6)], ""),  # .80 of all ten
        ([trial(), trial("two", ring=0.59)], "a ring of 20 HU (0.79)"),
        ([trial(ring=0.7, series=6), trial("two", ring=0.7, series=6)], "a ring of 20 HU (0.70)"),  # binary: .6999…
        ([trial(streaks=0.5), trial("two", streaks=0.5, ring=0.0)], "a ring of 20 HU (0.50), streaks of 20 HU (0.50)"),
        ([trial(), trial("two", series=0)], "no complete series of two scanners"),
        ([trial(), trial("two", false_alarms=2)], "of 10 unaltered series 2 were flagged"),
    ],
)
def test_two_scanners_few_false_alarms_and_each_fault_found_give_accept(trials: list[Any], text: str) -> None:
    disposition = decide(series(), policy(*trials))
    [gaps], [row] = rows_about(disposition, "slice_gaps"), rows_about(disposition, "")
    assert (gaps.outcome, row.then, row.evidence) == (Outcome.WITHIN, Then.ACCEPT, ("tried",))
    if not text:
        assert (disposition.verdict, row.outcome) == (Verdict.ACCEPT, Outcome.ACCEPTS)
        assert row.why.startswith("Measured: Noise in soft tissue, ")
        return
    assert (row.outcome, row.why) == (Outcome.HINT, disposition.reasons[0].text)
    assert (disposition.verdict, disposition.experimental) == (Verdict.NOT_ASSESSED, True)
    assert text in disposition.reasons[0].text


def test_a_fault_that_nobody_tried_counts_as_missed() -> None:
    untold = {"scanner": "two", "series": 5, "found": {"ring": 1.0}}
    text = decide(series(), policy(trial(), untold)).reasons[0].text
    assert "streaks of 20 HU (0.50)" in text
    assert "a ring of 20 HU" not in text


def test_a_combined_part_is_accepted_only_if_the_figures_of_each_part_suffice() -> None:
    def with_abdomen(**changes: Any) -> Policy:
        shares: dict[str, dict[str, Any]] = {"CHEST": {}, "ABDOMEN": changes}
        evidence = {part: {"tried_on": [trial(**of), trial("two", **of)]} for part, of in shares.items()}
        tables = [
            {"measurement": ["ct_noise"], "then": "ACCEPT", "body_part": [part], "evidence": part} for part in shares
        ]
        return policy_of(GAPS, *tables, where={"CT": {"modality": ["CT"]}}, evidence=evidence)

    both = series("CHESTABDOMEN")
    assert decide(both, with_abdomen()).verdict is Verdict.ACCEPT
    [row] = rows_about(decide(both, with_abdomen()), "")
    assert row.evidence == ("ABDOMEN", "CHEST")
    assert "a body cut off by 15 % (0.50)" in decide(both, with_abdomen(truncation=0.5)).reasons[0].text


def test_names_alone_are_the_word_of_a_site() -> None:
    by_names = policy_of({"measurement": ["ct_noise"], "then": "ACCEPT", "evidence": "ours"},
                         evidence={"ours": {"tried_on": ["one", "two"]}})  # fmt: skip
    assert decide(series(), by_names).verdict is Verdict.ACCEPT


@pytest.mark.parametrize("general_first", [True, False])
def test_of_tables_the_most_specific_applies_wherever_it_stands(general_first: bool) -> None:
    """The first in the file applied, so that a table for all parts hid the one of the chest below it."""
    tables = [TABLE | {"body_part": [], "measurement": ["ring_index"]}, TABLE]
    evidence = {"tried": {"tried_on": ["one", "two"]}}
    own = policy_of(*(tables if general_first else reversed(tables)), evidence=evidence)
    assert decide(series(), own).verdict is Verdict.ACCEPT
    other = decide(series("KNEE"), own)
    assert other.reasons[0].text == "Not accepted, because it could not be measured: Ring index."
    with pytest.raises(SettingsError, match="two rules about measurement and ACCEPT"):
        policy_of(TABLE, TABLE, evidence=evidence)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"scanner": "two"}, "series is missing"),
        ({"scanner": "two", "series": 1, "found": {"rings": 1.0}}, "Did you mean ring"),
        ({"scanner": "two", "series": 1, "found": {"ring": 1.5}}, "a number from 0 to 1"),
        ({"scanner": "two", "series": 1, "found": 0.9}, "it must be a table of faults and shares"),
    ],
)
def test_figures_that_cannot_be_are_refused(entry: Mapping[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        policy(trial(), entry)


def test_each_fault_has_a_name_of_its_own() -> None:
    names = [one.name for one in (*MODERATE_FAULTS, *OTHER_FAULTS)]
    assert len(set(names)) == len(names)
    assert tuple(names[: len(FAULT_NAMES)]) == FAULT_NAMES


def test_the_shipped_policy_accepts_by_figures_alone() -> None:
    """Until a fault is found in four of five series, its kind is experimental: no word stands in the place of one."""
    shipped = read_policy(load_settings().policy_file)
    tables = [(rule.where, rule.acceptance) for rule in shipped.rules if rule.acceptance and not rule.acceptance.parts]
    assert tables
    for where, table in tables:
        assert table.trials, where.name
        shares = [
            sum(one.series * one.found.get(fault.name, 0.0) for one in table.trials)
            / max(sum(one.series for one in table.trials), 1)
            for modality in where.modality
            for fault in faults_of(modality)
        ]
        short = [table.shortfall(modality) for modality in where.modality]
        assert all(short) == (min(shares) < LEAST_FOUND), where.name
