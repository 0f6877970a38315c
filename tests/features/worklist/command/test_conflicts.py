"""Studies with images of several patients, listed and settled on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

Cli = Callable[..., Ran]


def test_conflicts_are_listed_and_settled(stage: Stage, cli: Cli, data_dir: Path) -> None:
    at = ("--data-dir", data_dir)
    assert cli("worklist", "conflicts", "--json", *at).json == []
    stage.add(1, patient="1001", authority="NORTH")
    stage.add(2, study=1, patient="1001", authority="SOUTH")
    ran = cli("worklist", "conflicts", *at)
    assert (ran.code, ran.out.count("1.2.3.1"), "NORTH" in ran.out, "SOUTH" in ran.out) == (0, 2, True, True)
    [conflict] = cli("worklist", "conflicts", "--json", *at).json
    assert [one["authority"] for one in conflict["patients"]] == ["NORTH", "SOUTH"]
    ran = cli("worklist", "settle", "1.2.3.1", "--as", "mara", *at)
    assert (ran.code, "what was found out" in ran.err.lower()) == (4, True)
    assert cli("worklist", "settle", "1.2.3.9", "--comment", "no", *at).code == 3
    ran = cli("worklist", "settle", "1.2.3.1", "--comment", "a wrong entry", "--as", "mara", "--json", *at)
    assert (ran.code, ran.json["resolved_by"], ran.json["comment"]) == (0, "mara", "a wrong entry")
    assert cli("worklist", "settle", "1.2.3.1", "--comment", "again", *at).code == 4
    assert cli("worklist", "conflicts", "--json", *at).json == []


@pytest.mark.more
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


@pytest.mark.more
def test_a_hold_and_an_erasure_show_whom_they_would_touch(stage: Stage, cli: Cli, data_dir: Path) -> None:
    at = ("--data-dir", data_dir)
    stage.add(1, patient="1001", authority="NORTH")
    stage.add(2, patient="1001", authority="SOUTH")
    stage.add(3, patient="1001", authority="SOUTH")
    ran = cli("retention", "hold", "--patient", "1001", "--dry-run", *at)
    assert (ran.code, "NORTH" in ran.out, "name the authority" in ran.err) == (4, True, True)
    ran = cli("retention", "hold", "--patient", "1001", "--authority", "SOUTH", "--dry-run", *at)
    assert (ran.code, "studies 2, images 2" in ran.out) == (0, True)
    ran = cli("retention", "hold", "--patient", "1001", "--authority", "SOUTH", "--dry-run", "--json", *at)
    assert ran.json == {"studies": 2, "images": 2}
    ran = cli("retention", "hold", "--study", "1.2.3.1", "--dry-run", *at)
    assert (ran.code, "studies 1, images 1" in ran.out) == (0, True)
    assert cli("retention", "hold", "--study", "1.2.3.9", "--dry-run", *at).code == 3
    assert cli("retention", "holds", "--json", *at).json == []
    ran = cli("erase", "patient", "1001", *at)
    assert (ran.code, "SOUTH" in ran.out, "name the authority" in ran.err) == (4, True, True)
    ran = cli("erase", "patient", "1001", "--authority", "SOUTH", *at)
    assert (ran.code, "studies: 2" in ran.out) == (0, True)
    assert cli("erase", "patient", "1001", "--authority", "WEST", *at).code == 3
