"""Studies with images of several patients, listed and settled on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
