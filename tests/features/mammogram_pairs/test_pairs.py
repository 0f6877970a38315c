"""Views are counted, and pairs subtracted, with what is missing and why."""

from __future__ import annotations

import pytest

from miqa_node.features.mammogram_pairs.pairs import NumberDifference, StudyPairs, ViewPair, study_pairs
from tests.features.mammogram_pairs.pairs_making import VIEWS, mammogram

NUMBERS = {"mg_compressed_thickness": 52.0, "mg_compression_force": 95.0, "mg_exposure": 80.0}


def counts(pairs: StudyPairs) -> dict[str, int]:
    return {one.view.value: len(one.digests) for one in pairs.views}


def pair(pairs: StudyPairs, first: str, second: str) -> ViewPair:
    return next(one for one in pairs.pairs if (one.first, one.second) == (first, second))


def difference(pairs: StudyPairs, views: tuple[str, str], name: str) -> NumberDifference:
    return next(one for one in pair(pairs, *views).differences if one.measurement == name)


def test_both_breasts_in_one_view_and_both_views_of_one_breast() -> None:
    thickness = {"R CC": 52.0, "L CC": 47.0, "R MLO": 58.0, "L MLO": 60.5}
    pairs = study_pairs(
        [mammogram(view, n, {"mg_compressed_thickness": thickness[view]}) for n, view in enumerate(VIEWS)]
    )
    assert counts(pairs) == dict.fromkeys(VIEWS, 1)
    made = {
        (one.first.value, one.second.value): difference(
            pairs, (one.first, one.second), "mg_compressed_thickness"
        ).difference
        for one in pairs.pairs
    }
    assert made == {("R CC", "L CC"): 5.0, ("R MLO", "L MLO"): -2.5, ("R CC", "R MLO"): -6.0, ("L CC", "L MLO"): -13.5}
    assert not pairs.others


@pytest.mark.parametrize(("oblique", "is_within"), [(105.0, True), (110.0, True), (110.5, False), (89.0, False)])
def test_nipple_lines_of_a_breast_agree_within_10_mm(oblique: float, is_within: bool) -> None:
    pairs = study_pairs(
        [mammogram("R CC", 1, {"mg_nipple_line": 100.0}), mammogram("R MLO", 2, {"mg_nipple_line": oblique})]
    )
    one = difference(pairs, ("R CC", "R MLO"), "mg_nipple_line")
    assert (one.difference, one.most, one.is_within, one.unit) == (100.0 - oblique, 10.0, is_within, "mm")
    sides = study_pairs([mammogram("R CC", 1, {"mg_nipple_line": 100.0}), mammogram("L CC", 2, {"mg_nipple_line": 70})])
    assert "mg_nipple_line" not in {one.measurement for one in pair(sides, "R CC", "L CC").differences}


def test_the_pectoral_muscle_is_compared_between_oblique_views_only() -> None:
    pairs = study_pairs([mammogram(view, n, {"mg_pectoral_length": 120.0 + n}) for n, view in enumerate(VIEWS)])
    assert difference(pairs, ("R MLO", "L MLO"), "mg_pectoral_length").difference == -1.0
    compared = {(one.first.value, one.second.value) for one in pairs.pairs for of in one.differences
                if of.measurement == "mg_pectoral_length"}  # fmt: skip
    assert compared == {("R MLO", "L MLO")}


def test_a_missing_view_leaves_its_pairs_out_and_says_so() -> None:
    pairs = study_pairs([mammogram(view, n, NUMBERS) for n, view in enumerate(VIEWS) if view != "L MLO"])
    assert counts(pairs)["L MLO"] == 0
    assert pair(pairs, "L CC", "L MLO").missing == "There is no L MLO."
    assert pair(pairs, "R MLO", "L MLO").differences == ()
    assert not pair(pairs, "R CC", "L CC").missing


def test_of_two_exposures_of_a_view_the_last_is_compared() -> None:
    pairs = study_pairs(
        [
            mammogram("R CC", 9, {"mg_compression_force": 110.0}),
            mammogram("R CC", 1, {"mg_compression_force": 60.0}),
            mammogram("L CC", 2, {"mg_compression_force": 100.0}),
        ]
    )
    assert counts(pairs)["R CC"] == 2
    assert difference(pairs, ("R CC", "L CC"), "mg_compression_force").difference == 10.0


def test_raw_data_and_the_image_made_of_them_are_one_exposure() -> None:
    event = {"irradiation_event_uids": ("1.2.3.9",)}
    raw = mammogram("R CC", 1, None, presentation_intent_type="FOR PROCESSING", **event)
    shown = mammogram("R CC", 1, NUMBERS, presentation_intent_type="FOR PRESENTATION", **event)
    for both in ([raw, shown], [shown, raw]):
        pairs = study_pairs([*both, mammogram("L CC", 2, NUMBERS)])
        assert counts(pairs)["R CC"] == 1
        assert difference(pairs, ("R CC", "L CC"), "mg_exposure").difference == 0.0


@pytest.mark.parametrize(
    ("view", "fields", "reason"),
    [
        ("R CC", {"view_modifier": "Spot compression"}, "R CC with Spot compression"),
        ("R CC", {"number_of_frames": 60}, "tomosynthesis, or made of it"),
        ("R CC", {"image_type": ("DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D")}, "tomosynthesis, or made"),
        ("R CC", {"quality_control": True}, "test object"),
        ("R XCCL", {}, "R XCCL, another view"),
        ("L LMO", {}, "L LMO, another view"),
        (" CC", {}, "the header names no single side"),
        ("B CC", {}, "the header names no single side"),
        ("R ", {}, "the header names no view"),
    ],
)
def test_other_views_do_not_count(view: str, fields: dict[str, object], reason: str) -> None:
    pairs = study_pairs([mammogram(view, 1, NUMBERS, **fields)])
    assert set(counts(pairs).values()) == {0}
    assert pairs.others[0].reason.startswith(reason)


def test_a_number_that_is_missing_says_why() -> None:
    pairs = study_pairs([mammogram("R CC", 1, NUMBERS), mammogram("R MLO", 2, {}), mammogram("L CC", 3, None)])
    sides, views = ("R CC", "L CC"), ("R CC", "R MLO")
    assert difference(pairs, sides, "mg_exposure").missing == "L CC is not measured yet."
    force = difference(pairs, views, "mg_compression_force")
    assert force.missing == "The header of R MLO has no Compression Force (0018,11A2)."
    assert (force.first, force.second, force.difference) == (95.0, None, None)
    assert "not found in the pixels of R CC" in difference(pairs, views, "mg_nipple_line").missing
    assert difference(pairs, views, "mg_nipple_line").is_within is None


def test_images_of_several_patients_are_not_compared() -> None:
    pairs = study_pairs([mammogram("R CC", 1, NUMBERS), mammogram("L CC", 2, NUMBERS)], patients=2)
    assert (pairs.views, pairs.pairs) == ((), ())
    assert "several patients" in pairs.missing
