"""Both sides of an object package's operating point, and the rows that keep the quality package judging objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from miqa_node.core.settings import load_settings
from miqa_node.interfaces.cli.app import app
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.objects.card import ObjectCard
from miqa_node.stages.assess.objects.sides import CardComparison, ComparedFigure, both_sides
from miqa_node.stages.assess.package_files import newest_package
from miqa_node.stages.assess.sidecars import NO_PACKAGE, packages_everywhere, read_any_card


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


def test_packages_without_such_figures_have_none() -> None:
    assert both_sides({"start": {"found": 0.5}}) == []
    assert both_sides({}) == []


def test_a_card_tells_every_row_in_which_the_way_before_is_better(card: ObjectCard) -> None:
    rows = (
        ComparedFigure(figure="found", source="a", before=0.5, now=0.4),
        ComparedFigure(figure="found", source="b", before=0.5, now=0.6),
        ComparedFigure(figure="called", source="b", before=0.1, now=0.1, less_is_better=True),
    )
    comparison = CardComparison(package="quality-1.0.0", about="Sources that taught neither.", rows=rows)
    assert [row.change for row in comparison.rows] == ["worse", "better", "as good"]
    page = model_card(card.model_copy(update={"comparison": comparison}))
    for row in rows:
        assert f"| {row.figure} | {row.source} | {row.before:g} | {row.now:g} | {row.change} |" in page


def test_this_package_judges_objects_unless_a_site_says_otherwise(card: ObjectCard) -> None:
    assert packages_everywhere(load_settings(None))["objects"] == card.label
    off = load_settings(None, assess={"objects_package": NO_PACKAGE})
    assert "objects" not in packages_everywhere(off)
    named = load_settings(None, assess={"objects_package": "objects-9.9.9"})
    assert packages_everywhere(named)["objects"] == "objects-9.9.9", "a site's own choice stays"


@pytest.mark.parametrize(
    ("before", "now", "less", "change"),
    [(0.5, 0.6, False, "better"), (0.5, 0.4, False, "worse"), (0.5, 0.4, True, "better"), (0.5, 0.6, True, "worse"),
     (0.5, 0.5, False, "as good"), (0.5, 0.5, True, "as good")],
)  # fmt: skip
def test_change(before: float, now: float, less: bool, change: str) -> None:
    assert ComparedFigure(figure="f", source="s", before=before, now=now, less_is_better=less).change == change


@pytest.mark.more
def test_check_shows_both_sides_by_source(card: ObjectCard) -> None:
    answer = CliRunner().invoke(app, ["models", "check", card.label])
    assert answer.exit_code == 0, answer.output
    assert "Called with devices only" in answer.output
    assert "0.72 of 47" in answer.output
    [checked] = [json.loads(CliRunner().invoke(app, ["models", "check", card.label, "--json"]).output)]
    rows = {(one["images"], one["source"]): one for one in checked["operating_point"]}
    assert rows["held_out", "all"]["found"] == 0.943
    assert rows["left_out_source", "actualmed"]["called_with_devices_only"] == 0.455
    assert rows["development", "hannover"]["found"] is None, "no image there shows one"
