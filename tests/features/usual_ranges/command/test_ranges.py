"""``miqa-node ranges``: histories, one of them with its unusual series, and both as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store.database import Database
from tests.features.usual_ranges.ranges_making import FIRST_AT, fill, look, measure, noises
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


@pytest.fixture
def database(stage: Stage) -> Database:
    database = stage.services.database
    at = fill(database, noises(25, seed=2))
    measure(database, 100, at, {"ct_noise": 25.0, "hu_air": -998.0})
    measure(database, 101, at, {"ct_noise": 10.0}, software_versions="V2")
    look(database)
    return database


@pytest.mark.usefixtures("database")
def test_histories_are_listed_with_what_changed(cli: Callable[..., Ran], data_dir: Path) -> None:
    result = cli("ranges", "list", "--data-dir", str(data_dir))
    assert result.code == Exit.OK
    lines = result.out.splitlines()
    assert lines[0].split("\t")[:3] == ["History", "Station", "Modality"]
    assert any("THORAX, B30f, CHEST\tV1\t26\t2026-03-02\t2026-03-27" in line for line in lines)
    assert "CT1: Software Versions V1 became V2." in lines[-1]
    document = json.loads(cli("ranges", "list", "--data-dir", str(data_dir), "--json").out)
    assert (document["total"], len(document["items"]), len(document["changes"])) == (2, 2, 1)
    assert (
        json.loads(cli("ranges", "list", "--data-dir", str(data_dir), "--station", "CT9", "--json").out)["items"] == []
    )


@pytest.mark.usefixtures("database")
def test_one_history_is_shown_with_its_unusual_series(cli: Callable[..., Ran], data_dir: Path) -> None:
    where = ("--data-dir", str(data_dir))
    items = json.loads(cli("ranges", "list", *where, "--json").out)["items"]
    old = next(one["baseline"] for one in items if one["scanner"]["software"] == "V1")
    new = next(one["baseline"] for one in items if one["scanner"]["software"] == "V2")
    text = cli("ranges", "show", old, *where).out
    assert "ACME Scan 64, serial number SN1, software V1" in text
    assert "ct_noise 25.0 [hnsf'U] (usual " in text
    assert "in 25 series since 2026-03-02)" in text
    document = json.loads(cli("ranges", "show", old, *where, "--json").out)
    assert [one["unusual"][0]["value"] for one in document["unusual"]] == [25.0]
    assert "Nothing is usual or unusual below 20 series and 14 days." in cli("ranges", "show", new, *where).out
    assert cli("ranges", "show", "0" * 16, *where).code != Exit.OK


def test_scanners_that_only_their_hospitals_tell_apart_do_not_look_alike(
    stage: Stage, cli: Callable[..., Ran], data_dir: Path
) -> None:
    where, database = ("--data-dir", str(data_dir)), stage.services.database
    for number, (authority, software) in enumerate(
        (("NORTH", "V1"), ("SOUTH", "V1"), ("NORTH", "V2"), ("SOUTH", "V1"))
    ):
        at = FIRST_AT + timedelta(days=number)
        named: dict[str, Any] = {"detector_id": "", "software_versions": software}
        measure(database, number, at, {"ct_noise": 10.0}, authority=authority, **named)
    look(database)
    lines = cli("ranges", "list", *where).out.splitlines()
    assert lines[0].split("\t")[-2:] == ["Serial number", "Authority"]
    assert sorted(line.split("\t")[-1] for line in lines[1:4]) == ["NORTH", "NORTH", "SOUTH"]
    assert "CT1 (NORTH): Software Versions V1 became V2." in lines[-1]
    items = json.loads(cli("ranges", "list", *where, "--json").out)["items"]
    south = next(one["baseline"] for one in items if one["scanner"]["authority"] == "SOUTH")
    assert "ACME Scan 64, serial number -, authority SOUTH, software V1" in cli("ranges", "show", south, *where).out
