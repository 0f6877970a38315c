"""Both sides of an object package's operating point, and the rows that keep the quality package judging objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from miqa_node.core.settings import load_settings
from miqa_node.interfaces.cli.app import app
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.objects.card import ObjectCard
from miqa_node.stages.assess.objects.sides import ComparedFigure, both_sides
from miqa_node.stages.assess.package_files import newest_package
from miqa_node.stages.assess.sidecars import read_any_card


@pytest.fixture(scope="module")
def card() -> ObjectCard:
    """The card of the shipped package."""
    card = read_any_card(shipped("objects"))
    assert isinstance(card, ObjectCard)
    return card


def shipped(name: str) -> Path:
    folder = newest_package(load_settings(None).models_dir, name)
    assert folder is not None
    return folder


def test_check_shows_both_sides_by_source(card: ObjectCard) -> None:
    answer = CliRunner().invoke(app, ["models", "check", card.label])
    assert answer.exit_code == 0, answer.output
    assert "Called with devices only" in answer.output
    assert "0.67 of 3" in answer.output
    [checked] = [json.loads(CliRunner().invoke(app, ["models", "check", card.label, "--json"]).output)]
    rows = {(one["images"], one["source"]): one for one in checked["operating_point"]}
    assert rows["held_out", "all"]["found"] == 0.657
    assert rows["left_out_source", "actualmed"]["called_with_devices_only"] == 0.455
    assert rows["development", "hannover"]["found"] is None, "no image there shows one"


def test_packages_without_such_figures_have_none() -> None:
    assert both_sides({"start": {"found": 0.5}}) == []
    assert both_sides({}) == []


def test_the_card_tells_every_row_in_which_the_way_before_is_better(card: ObjectCard) -> None:
    comparison = card.comparison
    assert comparison is not None
    worse = [row for row in comparison.rows if row.change == "worse"]
    assert worse
    assert all(row in comparison.not_better for row in worse)
    page = model_card(card)
    for row in comparison.rows:
        assert f"| {row.figure} | {row.source} |" in page
    quality = read_card(shipped("quality")).metrics["objects"]
    before = {row.source: row.before for row in comparison.rows if row.figure == "AUROC of devices"}
    assert before == quality["device_in_view"]["hospitals"], "beside the quality package as it ships"


@pytest.mark.parametrize(
    ("before", "now", "less", "change"),
    [(0.5, 0.6, False, "better"), (0.5, 0.4, False, "worse"), (0.5, 0.4, True, "better"), (0.5, 0.6, True, "worse"),
     (0.5, 0.5, False, "as good"), (0.5, 0.5, True, "as good")],
)  # fmt: skip
def test_change(before: float, now: float, less: bool, change: str) -> None:
    assert ComparedFigure(figure="f", source="s", before=before, now=now, less_is_better=less).change == change
