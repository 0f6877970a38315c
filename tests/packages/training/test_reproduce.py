"""Every shipped package has a recipe from public starts, and a reproduced one is compared figure by figure."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from miqa_node.interfaces.cli.exits import Exit
from miqa_training.reproduce import compare_cards, read_recipes
from tests.interfaces.cli.conftest import Ran, cli

__all__ = ["cli"]

needs_training = pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra [train]")

MODELS = Path(__file__).resolve().parents[3] / "models"


def test_every_shipped_package_has_a_recipe_from_public_starts() -> None:
    recipes = {recipe.name: recipe for recipe in read_recipes()}
    assert set(recipes) == {folder.name for folder in MODELS.iterdir() if folder.is_dir()}
    for recipe in recipes.values():
        words = [word for command in recipe.commands for word in command]
        starts = [words[place + 1] for place, word in enumerate(words) if word == "--start"]
        made = all(start.startswith("{out}/") for start in starts)
        assert made, "a start that only this checkout had cannot be reproduced"
        assert recipe.name.rsplit("-", 1)[1] in recipe.commands[-1]
        assert recipe.figures


def test_the_quality_card_says_where_a_start_is_that_is_no_longer_in_the_folder() -> None:
    for folder in MODELS.glob("quality-*"):
        training = yaml.safe_load((folder / "card.yaml").read_text("utf-8"))["training"]
        starts = [word for word in training["command"].split() if word.startswith("models/")]
        for start in (MODELS.parent / word for word in starts):
            if start.is_dir():
                continue
            named = re.fullmatch(
                rf"git archive (?P<commit>[0-9a-f]{{40}}) models/{start.name} \| tar -x", training["start"]
            )
            assert named, "the command names a package that nobody can find"
            assert training["reproduce"].endswith(f"--package {folder.name}")
            process = git("cat-file", "-e", f"{named['commit']}:models/{start.name}")
            assert process is None or process == 0, f"{start.name} is not in that commit"


def git(*words: str) -> int | None:
    """Exit status of git in the checkout; None without git, outside of a checkout, or in one without its history."""
    program = shutil.which("git")
    if program is None or not (MODELS.parent / ".git").exists():
        return None
    here = [program, "-C", str(MODELS.parent)]
    shallow = subprocess.run(
        [*here, "rev-parse", "--is-shallow-repository"], capture_output=True, text=True, check=False
    )
    if shallow.stdout.strip() != "false":
        return None
    return subprocess.run([*here, *words], capture_output=True, check=False).returncode


@needs_training
def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, cli: Callable[..., Ran]) -> None:
    ran = cli("train", "reproduce", "--data", tmp_path, "--package", "quality-9.9.9", "--dry-run")
    assert ran.code == Exit.USAGE
    assert "quality-classical-0.1.1" in ran.err
    assert "quality-classical-0.1.1: about" in cli("train", "reproduce", "--data", tmp_path, "--dry-run").out


@pytest.mark.parametrize("name", [recipe.name for recipe in read_recipes()])
def test_commands_are_commands(name: str, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    """Each word is an option of its command: an unknown one would be a usage error before anything is read."""
    for words in read_recipes([name])[0].command_lines(tmp_path, tmp_path):
        options = {word for word in words if word.startswith("--")}
        shown = cli("train", words[0], "--help").out
        assert all(option in shown for option in options)


@pytest.mark.more
def test_the_shipped_cards_have_the_figures_and_agree_with_themselves() -> None:
    for recipe in read_recipes():
        comparisons = compare_cards(recipe, MODELS / recipe.name, MODELS / recipe.name)
        assert all(one.within and one.shipped == one.reproduced for one in comparisons)


@pytest.mark.more
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
