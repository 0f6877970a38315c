"""What packages had to reach: the cards say it beside what they reach, and what is missed is called so everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from miqa_node.interfaces.cli.app import app
from miqa_node.stages.assess.model_card import model_card
from tests.conftest import ROOT
from tests.stages.assess.test_targets import shipped, targets_of
from tools.figures_page import figures_page


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
