"""A limit flags only series of a class on which it was tried, with scanners of two makers; elsewhere it is a hint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import SettingsError
from tests.core.domain.test_decide import assessment
from tests.policies import policy_of, rows_about

GHOSTED = {"mr_ghost": 9.0}
GHOST = {"measurement": "mr_ghost", "above": 2.5, "then": "REVIEW", "reason": "111207", "evidence": "heads"}
EVERYWHERE = (
    "slice_gaps",
    "slice_disorder",
    "slices_repeated",
    "slices_blank",
    "slices_differ",
    "lines_lost",
    "mr_wrap",
)
OF_HEADS = ("mr_ghost", "mr_spikes", "mr_zipper", "mr_raw_lines", "mr_doubled_contours", "mr_noise")
CT_OF_CLASSES = (
    "ring_index",
    "doubled_contours",
    "streak_direction",
    "noise_whiteness",
    "normalised_noise",
    "hu_offset",
)


def trial(scanner: str, series: int = 2, false_alarms: int = 0, **shares: float) -> dict[str, Any]:
    return {"scanner": scanner, "series": series, "false_alarms": false_alarms, "found": shares}


def series(
    part: str = "BRAIN", field_t: float | None = 1.5, modality: str = "MR", numbers: Mapping[str, float] = GHOSTED
) -> Assessment:
    plain = assessment(modality=modality, body_part=part, not_assessed="no model")
    measured = tuple(Measurement(name, value, "1") for name, value in numbers.items())
    kind = "structural" if modality == "MR" else "body"
    return replace(plain, decoder="x", measurements=measured, kind=kind, field_t=field_t)


def judged(one: Assessment, *trials: dict[str, Any], **reach: Any) -> Disposition:
    return decide(one, policy_of(GHOST, evidence={"heads": {"tried_on": list(trials), **reach}}))


TWO_MAKERS = trial("GE SIGNA", ghost=1.0), trial("Siemens Skyra", ghost=1.0)


@pytest.mark.parametrize(
    ("trials", "flags"),
    [
        (TWO_MAKERS, True),
        ((trial("GE SIGNA", ghost=1.0), trial("GE SIGNA EXCITE", ghost=1.0)), False),
        ((trial("GE SIGNA", ghost=1.0), trial("unknown make", ghost=1.0)), False),
        ((trial("GE SIGNA", ghost=1.0), trial("Siemens Skyra", spike=1.0)), False),
        ((trial("GE SIGNA", 9, ghost=1.0), trial("Siemens Skyra", 1, 1, ghost=1.0)), True),
        ((trial("GE SIGNA", 8, ghost=1.0), trial("Siemens Skyra", 1, 1, ghost=1.0)), False),
        ((trial("GE SIGNA", ghost=0.0), trial("Siemens Skyra", ghost=0.1)), True),
    ],
)
def test_two_makers_were_tried_with_what_it_shows_and_hardly_a_false_alarm(trials: Any, flags: bool) -> None:
    decided = judged(series(), *trials)
    assert decided.flagged == flags
    [row] = rows_about(decided, "mr_ghost")
    assert row.outcome is (Outcome.FLAGS if flags else Outcome.HINT)
    assert bool(row.why) != flags


@pytest.mark.parametrize(
    ("part", "field_t", "flags"),
    [
        ("BRAIN", 1.5, True), ("HEAD", 3.0, True), ("KNEE", 1.5, False), ("", 1.5, False), ("BRAIN", 0.35, False),
        ("BRAIN", 7.0, False), ("BRAIN", None, True),
    ],
)  # fmt: skip
def test_it_flags_in_the_class_of_its_record_alone(part: str, field_t: float | None, flags: bool) -> None:
    decided = judged(series(part, field_t), *TWO_MAKERS, body_part=["BRAIN", "HEAD"], field_t=[1.0, 3.0])
    assert decided.flagged == flags
    [row] = rows_about(decided, "mr_ghost")
    if not flags:
        words = [part or "unknown body part", "MR", *([f"{field_t:g} T"] if field_t else [])]
        assert all(one in row.why for one in words)


def test_a_head_that_only_pixels_show_is_one() -> None:
    silent = replace(series(part=""), part_seen="HEAD")
    assert judged(silent, *TWO_MAKERS, body_part=["BRAIN", "HEAD"]).flagged


def test_accept_stands_on_no_limit_that_is_a_hint_here() -> None:
    accepting = {"measurement": ["mr_ghost"], "then": "ACCEPT", "evidence": "all", "where": "MR"}
    names = {"tried_on": ["GE SIGNA", "Siemens Skyra"]}
    policy = policy_of(
        GHOST,
        accepting,
        where={"MR": {"modality": ["MR"]}},
        evidence={"heads": names | {"field_t": [1.0, 3.0]}, "all": names},
    )
    low, usual = (decide(series(field_t=field, numbers={"mr_ghost": 1.0}), policy) for field in (0.3, 1.5))
    assert (low.verdict, usual.verdict) == (Verdict.NOT_ASSESSED, Verdict.ACCEPT)
    assert "0.3 T" in low.reasons[0].text


def test_a_field_takes_two_numbers() -> None:
    with pytest.raises(SettingsError, match=r"field_t is 3\.0; it takes the lowest and the highest field in tesla"):
        judged(series(), *TWO_MAKERS, field_t=3.0)


@pytest.mark.parametrize("part", ["KNEE", "LSPINE", "", "PROSTATE"])
def test_the_shipped_policy_flags_parts_that_were_not_tried_by_its_list_alone(part: str) -> None:
    policy = read_policy(load_settings(None, environ={}).policy_file)
    wrong = dict.fromkeys((*EVERYWHERE, *OF_HEADS), 99.0)
    flagged = {one.name for one in decide(series(part, numbers=wrong), policy).reasons if one.verdict.flagged}
    assert flagged == {*EVERYWHERE}
    head = {one.name for one in decide(series("HEAD", numbers=wrong), policy).reasons if one.verdict.flagged}
    assert head == {*EVERYWHERE, *OF_HEADS}


def test_the_shipped_policy_flags_ct_of_spines_by_its_list_alone() -> None:
    policy = read_policy(load_settings(None, environ={}).policy_file)
    wrong = dict.fromkeys(("slice_gaps", "truncation", "slice_offset", *CT_OF_CLASSES), 99.0)
    body = series("ABDOMEN", None, "CT", wrong)
    reasons = decide(body, policy).reasons
    assert {one.name for one in reasons if one.verdict.flagged} == {*wrong}
    reasons = decide(replace(body, kind="spine or limb"), policy).reasons
    assert {one.name for one in reasons if one.verdict.flagged} == {"slice_gaps", "truncation", "slice_offset"}
