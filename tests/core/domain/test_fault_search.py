"""What a series was searched for: found, not found, not looked for and why; and what headlines make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from miqa_node.core.domain.assessment import Assessment, LeftOut, Measurement, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.fault_search import search_of
from miqa_node.core.domain.moderate_fault import MODERATE_FAULTS, OTHER_FAULTS, SeriesSearch
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.slice_kind import KINDS, kind_named
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.words.headline import headline
from miqa_node.core.words.narrative import narrative
from miqa_node.core.words.next_step import next_step
from miqa_node.runtime.store import documents
from tests.core.domain.test_decide import assessment
from tests.policies import policy_of

CT = {
    **dict.fromkeys(("slice_gaps", "slice_overlaps", "slices_repeated", "slices_blank", "slices_differ"), 0.0),
    **dict.fromkeys(("slices_unreadable", "lines_lost", "truncation", "metal_share", "hu_offset"), 0.0),
    "slice_disorder": 0.7, "slice_offset": 3.0, "hu_air": -1001.0, "hu_fat": -100.0, "thickness_share": 100.0,
    "body_size": 350.0, "ring_index": 3.0, "doubled_contours": 5.0, "streak_direction": 8.0, "ct_noise": 15.0,
    "noise_whiteness": 20.0, "noise_for_dose": 28.0, "normalised_noise": 15.0,
}  # fmt: skip
MR = {
    **dict.fromkeys(("slice_gaps", "slice_overlaps", "slices_repeated", "slices_blank", "slices_differ"), 0.0),
    **dict.fromkeys(("slices_unreadable", "lines_lost", "mr_wrap", "mr_motion", "slice_jump"), 0.0),
    "slice_disorder": 0.7, "mr_ghost": 1.0, "mr_spikes": 3.0, "mr_zipper": 1.0, "mr_raw_lines": 1.0,
    "mr_doubled_contours": 5.0, "mr_noise": 1.0,
}  # fmt: skip
OF_HEADS = {"noise", "ghost", "spike", "zipper", "motion", "lost raw lines"}


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return read_policy(load_settings().policy_file)


def series(modality: str = "CT", part: str = "CHEST", kind: str = "", field_t: float | None = None,
           **numbers: float) -> Assessment:  # fmt: skip
    plain = assessment(modality=modality, body_part=part, not_assessed="No model judges it.")
    values = (CT if modality == "CT" else MR) | numbers
    measured = tuple(Measurement(name, value, "1") for name, value in values.items())
    kind = kind or ("body" if modality == "CT" else "structural")
    return replace(plain, decoder="x", measurements=measured, kind=kind, field_t=field_t)


def without(one: Assessment, *names: str, reason: str = "") -> Assessment:
    rest = tuple(measured for measured in one.measurements if measured.name not in names)
    return replace(one, measurements=rest, left_out=(LeftOut(reason, names),) if reason else ())


def searched(one: Assessment, policy: Policy) -> SeriesSearch:
    search = search_of(one, policy)
    assert search is not None
    names = [*(each.fault for each in search.looked_for), *(each.fault for each in search.not_looked_for)]
    modality = one.header.modality
    every = {each.name for each in (*MODERATE_FAULTS, *OTHER_FAULTS) if modality in each.modalities}
    assert len(names) == len(set(names))
    assert every <= set(names)
    assert all(each.why for each in search.not_looked_for)
    return search


def lists(search: SeriesSearch) -> tuple[set[str], set[str], dict[str, str]]:
    return (
        {one.fault for one in search.looked_for if one.found},
        {one.fault for one in search.looked_for if not one.found},
        {one.fault: one.why for one in search.not_looked_for},
    )


def told(one: Assessment, policy: Policy, language: str = "en") -> str:
    return headline(one, replace(decide(one, policy), search=search_of(one, policy)), language)


def test_a_good_ct_says_in_what_no_fault_was_found_and_what_was_not_looked_for(shipped: Policy) -> None:
    """It read like a phase image and a localizer: what the node says of such images does not count yet."""
    good = series()
    present, absent, others = lists(searched(good, shipped))
    assert (present, set(others)) == (set(), {"textured noise", "streaks", "truncation"})
    assert {"missing slice", "HU of all", "white noise", "metal", "body size"} <= absent
    assert "0.33" in others["streaks"]
    text = told(good, shipped)
    groups = "order, rows, geometry, scale, doubled contours, rings, HU, size, coverage, metal"
    assert text == f"Looked at in part. No fault found in {groups}. Not looked for: noise, rays, truncation."
    german = told(good, shipped, "de")
    assert german.startswith("Zum Teil angesehen. Kein Fehler gefunden bei: Reihenfolge, Zeilen, Geometrie")
    assert "Nicht gesucht: Rauschen, Strahlen, " in german
    disposition = replace(decide(good, shipped), search=search_of(good, shipped))
    sentences = narrative(good, disposition)
    assert sentences[0] == f"Not assessed. {text.removeprefix('Looked at in part. ')}"
    assert "does not count yet" not in " ".join(sentences)
    assert next_step(good, disposition) == sentences[-1] == "Look yourself for what was not looked for."


def test_what_flags_is_found_and_the_headline_says_it(shipped: Policy) -> None:
    gap = series(slice_gaps=1.0)
    present, absent, _ = lists(searched(gap, shipped))
    assert present == {"missing slice"}
    assert "swapped slices" in absent
    assert told(gap, shipped) == "Gaps between slices"


def test_a_cause_that_explains_what_flags_is_found_although_it_nearly_flags(shipped: Policy) -> None:
    zipper = series("MR", "BRAIN", field_t=1.5, mr_zipper=7.0, mr_raw_lines=4.0)
    present, absent, _ = lists(searched(zipper, shipped))
    assert present == {"zipper", "lost raw lines"}
    assert "ghost" in absent


@pytest.mark.parametrize(("part", "field_t"), [("KNEE", 3.0), ("BRAIN", 0.3)])
def test_where_limits_were_never_tried_the_fault_is_not_looked_for(part: str, field_t: float, shipped: Policy) -> None:
    tried = series("MR", "BRAIN", field_t=1.5)
    assert set(lists(searched(tried, shipped))[2]) == {"noise", "body size"}
    present, absent, others = lists(searched(series("MR", part, field_t=field_t), shipped))
    assert not present
    assert {"missing slice", "lost rows", "wrap", "motion between volumes", "empty slice"} <= absent
    assert set(others) == OF_HEADS | {"body size"}
    assert "two makers" in others["ghost"]
    assert part in others["ghost"]
    assert others["body size"] == "nothing that is measured here shows it"


def test_beyond_a_hint_it_is_said(shipped: Policy) -> None:
    knee = series("MR", "KNEE", field_t=3.0, mr_ghost=48.0)
    present, _, others = lists(searched(knee, shipped))
    assert not present
    assert others["ghost"].startswith("Ghost level is beyond its limit, which is only a hint here: this limit has not")
    assert "beyond" not in others["zipper"]
    assert decide(knee, shipped).flagged is False


def test_the_reason_of_a_missing_number_is_told_and_one_of_a_fault_needs_none(shipped: Policy) -> None:
    reason = Phrase("bone around the axis looks like rings")
    others = lists(searched(without(series(), "ring_index", reason=reason), shipped))[2]
    assert others["ring"] == "Ring index could not be measured: bone around the axis looks like rings"
    largest = policy_of({"measurement": "slice_gap_largest", "above": 20, "then": "REVIEW", "reason": "111207"})
    for reason, is_looked_for in ((Phrase("No gap was found."), True), (Phrase("It has one slice."), False)):
        lacking = without(series(), "slice_gap_largest", reason=reason)
        assert ("slice_gap_largest" in lists(searched(lacking, largest))[1]) == is_looked_for


def test_sharp_kernels_are_not_searched_for_noise(shipped: Policy) -> None:
    """No rule is about it, and it is not measured: the reason of the kind is told."""
    kernel = kind_named("bone kernel").without
    sharp = without(series(kind="bone kernel"), *kernel, reason=next(iter(kernel.values())))
    _, absent, others = lists(searched(sharp, shipped))
    assert "HU of a slice" in absent
    assert "a sharp kernel raises noise by design" in others["white noise"]
    assert others["doubled contour"] == "no rule of the policy limits what shows it"


@pytest.mark.parametrize(("share", "is_looked_for"), [(0.8, True), (0.79, False)])
@pytest.mark.parametrize("value", [1.0, 9.0])
def test_a_fault_that_was_missed_too_often_is_not_looked_for_unless_it_is_there(
    share: float, is_looked_for: bool, value: float
) -> None:
    trials = [{"scanner": f"{maker} One", "series": 2, "found": {"ring": share}} for maker in ("GE", "Siemens")]
    rule = {"measurement": "ring_index", "above": 5, "then": "REVIEW", "reason": "111207", "evidence": "tried"}
    present, absent, others = lists(
        searched(series(ring_index=value), policy_of(rule, evidence={"tried": {"tried_on": trials}}))
    )
    assert ("ring" in present) == (value > 5)
    assert ("ring" in absent) == (value <= 5 and is_looked_for)
    assert ("ring" in others) == (value <= 5 and not is_looked_for)
    if "ring" in others:
        assert "0.79 of them; 0.80 is asked for" in others["ring"]


def test_figures_count_where_there_are_any_and_else_names_suffice() -> None:
    few = [{"scanner": f"{maker} One", "series": 2, "found": {"ring": 0.5}} for maker in ("GE", "Siemens")]
    rule = {"measurement": "ring_index", "above": 5, "then": "REVIEW", "reason": "111207", "evidence": ["few", "names"]}
    evidence: dict[str, dict[str, Any]] = {"few": {"tried_on": few}, "names": {"tried_on": ["GE One", "Siemens Two"]}}
    assert "ring" in lists(searched(series(), policy_of(rule, evidence=evidence)))[2]
    evidence["few"] |= {"body_part": ["HEAD"]}
    assert "ring" in lists(searched(series(), policy_of(rule, evidence=evidence)))[1]


def test_what_a_rule_of_the_site_limits_is_a_fault_by_its_label() -> None:
    rule = {"measurement": "entropy_of_ours", "above": 5, "then": "REVIEW", "reason": "111207"}
    incomplete = {"contradiction": "series_incomplete", "then": "REVIEW"}
    policy = policy_of(rule, incomplete)
    issue = PlausibilityIssue("series_incomplete", "9 of 12 are here.", OTHER_FAILURE)
    for value, missing in ((1.0, ()), (9.0, (issue,))):
        one = replace(series(entropy_of_ours=value), plausibility=missing)
        present, absent, others = lists(searched(one, policy))
        assert {"entropy_of_ours", "missing images"} <= (present if missing else absent)
        assert others["ring"] == "no rule of the policy limits what shows it"
    [search] = [
        one for one in searched(series(entropy_of_ours=1.0), policy).looked_for if one.fault == "entropy_of_ours"
    ]
    assert search.title == "Entropy of ours"


@pytest.mark.parametrize("kind", [one for one in KINDS if one.unjudged], ids=lambda one: one.name)
def test_a_kind_without_limits_says_what_it_is_and_that_nothing_was_looked_for(kind: Any, shipped: Policy) -> None:
    modality = "MR" if "MR" in kind.modalities else "CT"
    one = replace(series(modality, kind=kind.name), unfit=kind.unjudged, not_assessed=kind.unjudged)
    search = searched(one, shipped)
    assert search.looked_for == ()
    assert list(search.open_by_reason) == [kind.unjudged]
    text = told(one, shipped)
    assert text.startswith("Not looked at: ")
    assert text.removeprefix("Not looked at: ").removesuffix(" …") in kind.unjudged
    disposition = replace(decide(one, shipped), search=search)
    assert "does not count yet" not in " ".join((*narrative(one, disposition), next_step(one, disposition)))


def test_a_phantom_keeps_its_sentence(shipped: Policy) -> None:
    phantom = replace(series(), phantom=Phrase("A person said that the series shows a test object, not a patient."))
    assert searched(phantom, shipped).looked_for == ()
    disposition = decide(phantom, shipped)
    assert told(phantom, shipped) == headline(phantom, disposition)
    assert narrative(phantom, replace(disposition, search=search_of(phantom, shipped))) == narrative(
        phantom, disposition
    )


def test_what_else_keeps_it_from_a_verdict_comes_first(shipped: Policy) -> None:
    issue = PlausibilityIssue("slices_unmeasured", "9 of 20 slices were not measured.", OTHER_FAILURE)
    text = told(replace(series(), plausibility=(issue,)), shipped)
    assert text.startswith("9 of 20 slices were not measured. Looked at in part. No fault found in order")


def test_other_modalities_have_no_lists(shipped: Policy) -> None:
    assert search_of(assessment(modality="DX", body_part="CHEST"), shipped) is None
    assert search_of(replace(assessment(modality="PT"), kind="emission", decoder="x"), shipped) is None


def test_the_lists_are_kept_with_what_their_reasons_were_made_of(shipped: Policy) -> None:
    search = searched(series("MR", "KNEE", field_t=3.0, mr_ghost=48.0), shipped)
    loaded = documents.load_search(documents.dump_search(search))
    assert loaded == search
    assert loaded is not None
    assert [type(one.why) for one in loaded.not_looked_for] == [type(one.why) for one in search.not_looked_for]
    assert documents.load_search(documents.dump_search(None)) is None
