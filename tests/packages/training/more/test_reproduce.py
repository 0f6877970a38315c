"""Every shipped package has a recipe from public starts, and a reproduced one is compared figure by figure."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from miqa_node.interfaces.cli.exits import Exit
from miqa_training.reproduce import compare_cards, read_recipes
from tests.interfaces.cli.conftest import Ran
from tests.packages.training.test_reproduce import MODELS, needs_training


def test_the_shipped_cards_have_the_figures_and_agree_with_themselves() -> None:
    for recipe in read_recipes():
        comparisons = compare_cards(recipe, MODELS / recipe.name, MODELS / recipe.name)
        assert all(one.within and one.shipped == one.reproduced for one in comparisons)


@needs_training
def test_worse_figures_fail_and_better_ones_do_not(tmp_path: Path, cli: Callable[..., Ran]) -> None:
    recipe = read_recipes(["quality-classical-0.1.1"])[0]
    folder = tmp_path / "out" / recipe.name
    shutil.copytree(MODELS / recipe.name, folder)
    card = yaml.safe_load((folder / "card.yaml").read_text("utf-8"))

    def run_with(change: float) -> Ran:
        simulated = card["metrics"]["simulated"] | {"mean_auroc": card["metrics"]["simulated"]["mean_auroc"] + change}
        changed = card | {"metrics": card["metrics"] | {"simulated": simulated}}
        (folder / "card.yaml").write_text(yaml.safe_dump(changed), "utf-8")
        words = ("--data", tmp_path, "--out", tmp_path / "out", "--models", MODELS, "--package", recipe.name)
        return cli("train", "reproduce", *words)

    assert run_with(0.1).code == run_with(-0.005).code == Exit.OK
    worse = run_with(-0.05)
    assert worse.code == Exit.FAILED
    assert "WORSE" in worse.out
