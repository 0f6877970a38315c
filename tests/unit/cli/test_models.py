"""Model packages on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from miqa_node.cli.exits import Exit
from tests.unit.assess.making import write_package
from tests.unit.cli.conftest import Ran


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_package(tmp_path / "models" / "tiny-1.0.0")
    write_package(tmp_path / "models" / "tiny-1.1.0", "1.1.0")
    file = tmp_path / "site.toml"
    file.write_text(f'[assess]\nmodels_dir = "{tmp_path / "models"}"\nquality_package = "tiny-1.1.0"\n')
    return file


def test_list_names_the_active_package(cli: Callable[..., Ran], config: Path) -> None:
    listed = cli("models", "list", "--json", "--config", config).json

    assert [(one["folder"], one["active"]) for one in listed] == [("tiny-1.0.0", False), ("tiny-1.1.0", True)]
    assert listed[0]["applies_to"] == "CR, CHEST/, PA/AP"
    assert "tiny-1.1.0\tactive" in cli("models", "list", "--config", config).out


def test_check_runs_the_goldens_and_finds_what_was_altered(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    good = cli("models", "check", "--json", "--config", config)
    card = tmp_path / "models" / "tiny-1.0.0" / "card.yaml"
    card.write_text(card.read_text().replace("threshold: 0.5", "threshold: 0.4"))
    altered = cli("models", "check", "--json", "--config", config)
    other = cli("models", "check", "tiny-1.1.0", "--config", config)

    assert good.code == Exit.OK
    assert [(one["ok"], one["goldens"]) for one in good.lines] == [(True, 1), (True, 1)]
    assert altered.code == Exit.FAILED
    assert [one["ok"] for one in altered.lines] == [False, True]
    assert "card" in altered.lines[0]["error"]
    assert other.code == Exit.OK


def test_a_package_that_does_not_exist(cli: Callable[..., Ran], config: Path) -> None:
    assert cli("models", "check", "tiny-9.9.9", "--config", config).code == Exit.NOT_FOUND
