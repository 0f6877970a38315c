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
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.features.worklist.rows import history
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.stages.conclusion.rows import shadows
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import write_package
from tests.web.staging import Stage


@pytest.fixture
def config(tmp_path: Path, data_dir: Path, stage: Stage) -> Path:
    for version in ("1.0.0", "1.1.0"):
        write_package(tmp_path / "models" / f"quality-{version}", version, "quality")
    file = tmp_path / "site.toml"
    file.write_text(
        f'[node]\ndata_dir = "{data_dir}"\n[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path / "models"}"\n'
    )
    return file


def states(cli: Any, config: Any) -> dict[str, str]:
    listed = cli("models", "list", "--json", "--config", config).json
    return {one["folder"]: "active" if one["active"] else "shadow" if one["shadow"] else "" for one in listed}


def test_what_fails_its_checks_is_not_activated(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / "quality-1.0.0" / "golden" / "0.json").write_text("{}")
    assert cli("models", "activate", "quality-1.0.0", "--config", config).code == Exit.FAILED
    assert cli("models", "activate", "quality-9.0.0", "--config", config).code == Exit.NOT_FOUND
    assert states(cli, config)["quality-1.1.0"] == "active"
    assert cli("models", "history", "--json", "--config", config).json == []


def test_a_rollback_to_what_is_gone_changes_nothing(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    cli("models", "activate", "quality-1.0.0", "--config", config)
    cli("models", "activate", "quality-1.1.0", "--config", config)
    (tmp_path / "models" / "quality-1.0.0").rename(tmp_path / "away")
    assert cli("models", "rollback", "--config", config).code == Exit.NOT_FOUND
    assert len(cli("models", "history", "--json", "--config", config).json) == 2


def test_a_package_in_the_settings_decides_alone(cli: Callable[..., Ran], config: Path) -> None:
    config.write_text(config.read_text() + 'quality_package = "quality-1.0.0"\n')
    refused = cli("models", "activate", "quality-1.1.0", "--config", config)
    assert refused.code == Exit.USAGE
    assert "Take it out" in refused.err


def test_a_candidate_without_goldens_is_told_apart(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    write_package(tmp_path / "models" / "quality-2.0.0", "2.0.0", "quality", golden=[])
    table = cli("models", "check", "--config", config).out
    assert "quality-2.0.0" in table
    assert "no goldens: only as shadow" in table
    assert cli("models", "activate", "quality-2.0.0", "--config", config).code == Exit.FAILED
    assert cli("models", "shadow", "quality-2.0.0", "--config", config).code == Exit.OK


def test_compare_tells_agreement_differences_and_what_would_have_been_flagged(
    cli: Callable[..., Ran], config: Path, stage: Stage
) -> None:
    verdicts = [Verdict.REVIEW, Verdict.REVIEW, Verdict.ACCEPT, Verdict.ACCEPT]
    silent = [Verdict.REVIEW, Verdict.ACCEPT, Verdict.ACCEPT, Verdict.REVIEW]
    nobody = cli("models", "compare", "quality-0.9.3", "quality-0.2.0", "--config", config)
    assert nobody.code == Exit.NOT_FOUND
    for number, (verdict, other) in enumerate(zip(verdicts, silent, strict=True)):
        _, digest = stage.add(number, verdict)
        with stage.services.database.begin() as transaction:
            assessment: Any = history.of_instance(transaction, digest).assessment
            findings = tuple(
                replace(f, probability=0.9 if other.flagged else 0.1) if f.name == FindingName.MOTION_BLUR else f
                for f in assessment.findings
            )
            candidate = replace(
                assessment, findings=findings, model=ModelIdentity("quality", "0.2.0", "cd" * 32),
                assessed_at=datetime.now(UTC),
            )  # fmt: skip
            shadows.save(transaction, "quality-0.2.0", candidate, Disposition(other, (), "2026-01", "all"))
    stage.add(77)  # the candidate never saw it

    comparison = cli("models", "compare", "quality-0.9.3", "quality-0.2.0", "--json", "--config", config).json
    assert (comparison["images"], comparison["agreement"], comparison["kappa"]) == (4, 0.5, 0.0)
    assert comparison["judged_by_one"] == {"only_first": 1, "only_second": 0}
    assert comparison["flagged_only_by_first"] == ["1.2.3.4.5.1"]
    assert comparison["flagged_only_by_second"] == ["1.2.3.4.5.3"]
    assert sorted(map(tuple, comparison["verdicts"])) == [
        ("ACCEPT", "ACCEPT", 1), ("ACCEPT", "REVIEW", 1), ("REVIEW", "ACCEPT", 1), ("REVIEW", "REVIEW", 1)
    ]  # fmt: skip
    blur = next(row for row in comparison["findings"] if row["finding"] == "motion_blur")
    assert (blur["both"], blur["only_first"], blur["only_second"], blur["neither"]) == (1, 1, 1, 1)
    assert blur["largest_difference"] == pytest.approx(0.87)

    text = cli("models", "compare", "quality-0.9.3", "quality-0.2.0", "--config", config).out
    assert "4 images judged by both; equal verdicts 50.0%, kappa 0.00" in text
    assert "flagged only by quality-0.2.0: 1" in text


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
def test_a_shadow_is_chosen_and_ended(cli: Callable[..., Ran], config: Path) -> None:
    assert cli("models", "shadow", "--config", config).code == Exit.USAGE
    assert cli("models", "shadow", "quality-1.1.0", "--config", config).code == Exit.CONFLICT
    assert cli("models", "shadow", "quality-1.0.0", "--config", config).code == Exit.OK
    assert states(cli, config) == {"quality-1.0.0": "shadow", "quality-1.1.0": "active"}
    assert cli("models", "shadow", "--off", "--config", config).code == Exit.OK
    assert states(cli, config)["quality-1.0.0"] == ""


@pytest.mark.more
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
