# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Activation, rollback, shadow and comparison on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.assessment import ModelIdentity
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Disposition, Verdict
from miqa_node.features.worklist.rows import history
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.stages.conclusion.rows import shadows
from tests.features.models.command.test_model_choice import config, states
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import write_package
from tests.web.staging import Stage


def test_a_chosen_package_that_is_gone_is_named(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    cli("models", "activate", "quality-1.0.0", "--config", config)
    cli("models", "shadow", "quality-1.1.0", "--config", config)
    (tmp_path / "models" / "quality-1.1.0").rename(tmp_path / "trial")
    checks = {one["check"]: one for one in cli("doctor", "--config", config, "--json").json["checks"]}
    assert "The package in trial, quality-1.1.0, is not in" in checks["models"]["detail"]
    assert "shadow --off" in checks["models"]["mend"]

    (tmp_path / "models" / "quality-1.0.0").rename(tmp_path / "away")
    (tmp_path / "trial").rename(tmp_path / "models" / "quality-1.1.0")
    ran = cli("doctor", "--config", config, "--json")
    assert ran.code == Exit.FAILED
    [check] = [one for one in ran.json["checks"] if one["check"] == "models"]
    assert "The active package quality-1.0.0 is not in" in check["detail"]
    assert "NOT_ASSESSED" not in check["detail"]
    assert "models activate" in check["mend"]
    assert states(cli, config) == {"quality-1.1.0": "shadow", "quality-1.0.0": "active"}
    table = cli("models", "list", "--config", config).out
    assert "It is chosen, and it is not in" in " ".join(table.split())
    assert cli("models", "shadow", "--off", "--config", config).code == Exit.OK
    assert cli("models", "activate", "quality-1.1.0", "--config", config).code == Exit.OK
    assert states(cli, config) == {"quality-1.1.0": "active"}


def test_activate_and_roll_back(cli: Callable[..., Ran], config: Path) -> None:
    assert states(cli, config) == {"quality-1.0.0": "", "quality-1.1.0": "active"}
    first = cli("models", "activate", "quality-1.0.0", "--as", "anna", "--comment", "trial", "--config", config)
    assert first.code == Exit.OK
    assert "within 2 s" in first.err
    assert "not calibrated for this site" in first.err
    assert states(cli, config) == {"quality-1.0.0": "active", "quality-1.1.0": ""}
    again = cli("models", "activate", "quality-1.0.0", "--json", "--config", config)
    assert again.json == {"slot": "active", "package": "quality-1.0.0", "changed": False}
    cli("models", "activate", "quality-1.1.0", "--config", config)
    assert cli("models", "rollback", "--json", "--config", config).json["package"] == "quality-1.0.0"
    assert states(cli, config)["quality-1.0.0"] == "active"
    assert cli("models", "rollback", "--json", "--config", config).json["package"] == ""
    assert states(cli, config)["quality-1.1.0"] == "active"
    assert cli("models", "rollback", "--config", config).code == Exit.CONFLICT
    history = cli("models", "history", "--json", "--config", config).json
    assert [event["action"] for event in history] == ["activated", "activated", "rolled back", "rolled back"]
    assert (history[0]["actor"], history[0]["comment"]) == ("anna", "trial")
    assert "rolled back" in cli("models", "history", "--config", config).out


def test_a_shadow_is_chosen_and_ended(cli: Callable[..., Ran], config: Path) -> None:
    assert cli("models", "shadow", "--config", config).code == Exit.USAGE
    assert cli("models", "shadow", "quality-1.1.0", "--config", config).code == Exit.CONFLICT
    assert cli("models", "shadow", "quality-1.0.0", "--config", config).code == Exit.OK
    assert states(cli, config) == {"quality-1.0.0": "shadow", "quality-1.1.0": "active"}
    assert cli("models", "shadow", "--off", "--config", config).code == Exit.OK
    assert states(cli, config)["quality-1.0.0"] == ""


def test_a_packed_package_is_the_same_in_one_file(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    assert cli("models", "pack", "quality-1.0.0", tmp_path / "other.onnx", "--config", config).code == Exit.USAGE
    out = tmp_path / "models" / "quality-1.0.0.onnx"
    assert cli("models", "pack", "quality-1.0.0", out, "--config", config).code == Exit.OK
    (tmp_path / "models" / "quality-1.0.0").rename(tmp_path / "away")
    checked = cli("models", "check", "quality-1.0.0", "--json", "--config", config).json
    assert (checked["ok"], checked["may_be_active"], checked["goldens"]) == (True, True, 1)
    assert checked["golden_differences"]["golden/0.png"] < 1e-6
    assert cli("models", "activate", "quality-1.0.0", "--config", config).code == Exit.OK
    assert "# quality 1.0.0" in cli("models", "card", "quality-1.0.0", "--config", config).out
    page = tmp_path / "MODEL_CARD.md"
    cli("models", "card", "quality-1.0.0", "--out", page, "--config", config)
    assert page.read_text().startswith("# quality 1.0.0\n")
