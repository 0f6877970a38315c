"""The tables of the page on enhanced copies are those of the kept figures, which the shipped packages made."""

from __future__ import annotations

import json

from benchmarks.enhancement import tables
from miqa_node.stages.assess.card import read_sections
from tests.conftest import ROOT

FIGURES = json.loads(max((ROOT / "benchmarks/results").glob("enhancement-*.json")).read_text("utf-8"))
PAGE = (ROOT / "docs/explanation/enhancement.md").read_text("utf-8")


def test_every_table_is_made_from_the_kept_figures() -> None:
    for table in tables(FIGURES):
        assert table in PAGE, f"docs/explanation/enhancement.md lacks\n{table}"


def test_the_figures_are_those_of_the_packages_that_ship() -> None:
    models = ROOT / "models"
    assert (models / FIGURES["findings_by"]).is_dir(), "judged by a quality package that no longer ships"
    assert f"({FIGURES['findings_by']})" in PAGE
    [denoiser] = models.glob("denoiser-*")
    card = read_sections(denoiser)["metrics"]["fidelity"]["detector_pitch"]["learned"]
    assert {dose: row["gain_db"] for dose, row in card.items()} == {
        dose: row["gain_db"] for dose, row in FIGURES["fidelity"]["detector_pitch"]["learned"].items()
    }
