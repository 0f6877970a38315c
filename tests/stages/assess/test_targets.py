"""What packages had to reach: the cards say it beside what they reach, and what is missed is called so everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from miqa_node.core.settings import load_settings
from miqa_node.interfaces.cli.app import app
from miqa_node.stages.assess.card import BaseCard
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.package_files import newest_package
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.assess.targets import Target, Targets
from tests.conftest import ROOT
from tools.figures_page import figures_page


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
    metrics = shipped("objects").metrics
    point = metrics["operating_point"]
    chose, other, held = metrics["choosing"]["all"], metrics["development"]["all"], metrics["held_out"]
    sides = point["each_source_alike"], point["choosing"]["all"], point["second"]["all"], point["held_out"]
    expected = {
        "what can be taken off, AUROC against all others": (chose["auroc"], held["auroc"]),
        "the same against devices only": (chose["auroc_monitoring"], held["auroc_monitoring"]),
        "what can be taken off, found": tuple(one["found"] for one in sides),
        "called one with devices only": tuple(one["called_with_devices_only"] for one in sides),
        "called one with nothing": tuple(one["called_with_nothing"] for one in sides),
        "Pointing Game, objects and devices, all": (chose["pointing"], other["pointing"], held["pointing"]),
        "the same, macro over sources": (chose["pointing_macro"], other["pointing_macro"]),
        "the same, compact boxes": (chose["compact"], other["compact"], held["compact"]),
        "what can be taken off, pointed at": (chose["worn_pointing"], held["worn_pointing"]),
    }
    figures = {row.figure: tuple(one.value for one in row.reached) for row in targets_of(shipped("objects")).rows}
    assert {name: figures[name] for name in expected} == expected


def test_the_figures_of_positioning_are_those_of_its_card() -> None:
    card = shipped("landmarks")
    rules = card.metrics["reader_rules"]
    rotation, _, _, cut = targets_of(card).rows  # between them the degree that flags (test_shipped of the landmarks)
    assert [one.value for one in rotation.reached] == [rules["rotated"]["all"]["auroc"]]
    assert [one.value for one in cut.reached] == [
        rules[name]["all"]["auroc"] for name in ("cut_by_grade", "cut_by_grade_marked", "cut")
    ]


@pytest.mark.more
@pytest.mark.parametrize("name", ["objects", "landmarks"])
def test_what_is_missed_stands_in_the_card_on_the_page_and_in_the_check(name: str) -> None:
    card = shipped(name)
    missed = [row for row in targets_of(card).rows if row.is_missed]
    assert missed
    assert targets_of(card).tried
    pages = (model_card(card), figures_page("", Path(ROOT / "models")))
    answer = CliRunner().invoke(app, ["models", "check", card.label, "--json"])
    checked = {one["figure"]: one["verdict"] for one in json.loads(answer.output)["targets"]}
    for row in missed:
        assert checked[row.figure] == "missed"
        for page in pages:
            [line] = [line for line in page.splitlines() if line.startswith(f"| {row.figure} |")]
            assert "**missed**" in line
