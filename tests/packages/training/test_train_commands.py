"""What the commands of training do where they cannot train."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.packages.training.hospital import chest, save
from tests.stages.assess.making import write_package


@pytest.mark.parametrize(
    "words", [["train", "quality", "--out", "models"], ["train", "classical", "--out", "models"], ["evaluate", "."]]
)
def test_without_the_extra_it_says_what_to_install(
    cli: Callable[..., Ran], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miqa_training.commands.extras.find_spec", lambda name: None)

    ran = cli(*words, "--data", tmp_path)

    assert ran.code == Exit.UNAVAILABLE
    assert "make setup-train" in ran.err


def test_a_folder_that_does_not_exist_is_a_wrong_command_line(cli: Callable[..., Ran], tmp_path: Path) -> None:
    assert cli("train", "quality", "--data", tmp_path / "nowhere", "--out", tmp_path).code == Exit.USAGE


def test_evaluate_means_evaluate_report(cli: Callable[..., Ran]) -> None:
    assert "report" in cli("evaluate", "--help").out
    assert cli("evaluate", "nowhere", "--data", ".").code == Exit.USAGE
    assert "nowhere" in cli("evaluate", "nowhere", "--data", ".").err


def test_pointing_game_on_object_cxr_as_it_was_published(cli: Callable[..., Ran], tmp_path: Path) -> None:
    package, folder = tmp_path / "tiny-1.0.0", tmp_path / "object-cxr"
    write_package(package)
    for name in ("1.jpg", "2.jpg"):
        save(folder / "dev" / name, chest(len(name)))
    (folder / "dev.csv").write_text("image_name,annotation\n1.jpg,0 10 10 300 300;2 5 5 60 5 60 60\n2.jpg,\n")
    words = ("evaluate", "pointing-game", folder, "--package", package, "--dataset", "object-cxr")

    ran = cli(*words, "--method", "class_map", "--method", "centre", "--json")

    assert ran.code == Exit.OK, ran.err
    figures = json.loads(ran.out)
    assert figures["images"] == 1, "an image without annotation has no object to point at"
    assert set(figures["methods"]) == {"class_map", "centre"}
    assert figures["methods"]["centre"]["pointing_game"] == 1.0
    assert cli(*words, "--method", "guess").code == Exit.USAGE
    without = cli(*words[:2], tmp_path, *words[3:]).err
    assert "dev.csv" in without
    assert "Errno" not in without
