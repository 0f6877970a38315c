"""Studies with images of several patients, listed and settled on the command line."""

from __future__ import annotations

from pathlib import Path

from tests.features.worklist.command.test_conflicts import Cli
from tests.web.staging import Stage


def test_a_change_of_the_settings_is_told_and_read_again(stage: Stage, cli: Cli, data_dir: Path) -> None:
    at = ("--data-dir", data_dir)
    assert cli("migrate", "--read-patients", *at).code == 0
    config = data_dir / "miqa.toml"
    config.write_text(f'[node]\ndata_dir = "{data_dir}"\n[patients]\nauthority = "NORTH"\n')
    checks = {one["check"]: one for one in cli("doctor", "--json", "--config", config).json["checks"]}
    assert "migrate --read-patients" in checks["patients"]["mend"]
    ran = cli("migrate", "--read-patients", "--config", config)
    assert (ran.code, "another patient's now: 0" in ran.out) == (0, True)
    checks = {one["check"]: one for one in cli("doctor", "--json", "--config", config).json["checks"]}
    assert "patients" not in checks
