"""What the commands of training do where they cannot train."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.cli.exits import Exit


@pytest.mark.parametrize("words", [["train", "quality", "--out", "models"], ["evaluate", "."]])
def test_without_the_extra_it_says_what_to_install(
    cli, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miqa_node.cli.train.find_spec", lambda name: None)

    ran = cli(*words, "--data", tmp_path)

    assert ran.code == Exit.UNAVAILABLE
    assert "make setup-train" in ran.err


def test_a_folder_that_does_not_exist_is_a_wrong_command_line(cli, tmp_path: Path) -> None:
    assert cli("train", "quality", "--data", tmp_path / "nowhere", "--out", tmp_path).code == Exit.USAGE
