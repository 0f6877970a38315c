"""What packages had to reach: the cards say it beside what they reach, and what is missed is called so everywhere."""

from __future__ import annotations

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.stages.assess.card import BaseCard
from miqa_node.stages.assess.package_files import newest_package
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.assess.targets import Target, Targets


def shipped(name: str) -> BaseCard:
    folder = newest_package(load_settings(None).models_dir, name)
    assert folder is not None
    return read_any_card(folder)


def targets_of(card: BaseCard) -> Targets:
    assert card.targets is not None
    return card.targets


@pytest.mark.parametrize(
    ("value", "less", "verdict"),
    [(0.9, False, "reached"), (0.89, False, "missed"), (0.9, True, "reached"), (0.91, True, "missed"),
     (None, False, "missed"), (None, True, "missed")],
)  # fmt: skip
def test_a_must_is_reached_or_missed_and_what_nobody_knows_is_missed(
    value: float | None, less: bool, verdict: str
) -> None:
    reached = [{"images": "others", "value": value}, {"images": "own", "value": 0.9}]
    target = Target.model_validate({"figure": "f", "must": 0.9, "less_is_better": less, "reached": reached})
    assert target.verdict == verdict
    [(_, before, must, aim, words, shown)] = Targets(about="", rows=(target,)).table
    assert (before, must, aim) == ("–", "≤ 0.9" if less else "≥ 0.9", "–")
    assert words.endswith("; 0.9 (own)")
    assert shown.strip("*") == verdict


def test_the_figures_of_objects_are_those_of_its_card() -> None:
    card = shipped("objects")
    parts, points = card.metrics["development"]["all"], card.metrics["operating_point"]["development"]["all"]
    held = card.metrics["held_out"], card.metrics["operating_point"]["held_out"]
    expected = {
        "what can be taken off, AUROC against all others": (parts["auroc"], held[0]["auroc"]),
        "the same against monitoring only": (parts["auroc_monitoring"], held[0]["auroc_monitoring"]),
        "what can be taken off, found": (points["found"], held[1]["found"]),
        "called one with devices only": tuple(one["called_with_devices_only"] for one in (points, held[1])),
        "called one with nothing": tuple(one["called_with_nothing"] for one in (points, held[1])),
        "Pointing Game, objects and devices, all": (parts["pointing"], held[0]["pointing"]),
        "the same, macro over sources": (parts["pointing_macro"],),
        "the same, compact boxes": (parts["compact"], held[0]["compact"]),
        "what can be taken off, pointed at": (parts["worn_pointing"], held[0]["worn_pointing"]),
    }
    figures = {row.figure: tuple(one.value for one in row.reached) for row in targets_of(card).rows}
    assert {name: figures[name] for name in expected} == expected


def test_the_figures_of_positioning_are_those_of_its_card() -> None:
    card = shipped("landmarks")
    rules = card.metrics["reader_rules"]
    rotation, cut = targets_of(card).rows
    assert [one.value for one in rotation.reached] == [rules["rotated"]["all"]["auroc"]]
    assert [one.value for one in cut.reached] == [
        rules[name]["all"]["auroc"] for name in ("cut_by_grade", "cut_by_grade_marked", "cut")
    ]
