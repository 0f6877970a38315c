# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.stages.assess.objects.test_object_sides import card


def test_check_shows_both_sides_by_source(card: ObjectCard) -> None:
    answer = CliRunner().invoke(app, ["models", "check", card.label])
    assert answer.exit_code == 0, answer.output
    assert "Called with devices only" in answer.output
    assert "0.55 of 47" in answer.output
    [checked] = [json.loads(CliRunner().invoke(app, ["models", "check", card.label, "--json"]).output)]
    rows = {(one["images"], one["source"]): one for one in checked["operating_point"]}
    assert rows["held_out", "all"]["found"] == 0.6
    assert rows["left_out_source", "actualmed"]["called_with_devices_only"] == 0.455
    assert rows["development", "hannover"]["found"] is None, "no image there shows one"
