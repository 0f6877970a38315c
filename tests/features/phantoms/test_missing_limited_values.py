"""A scan that lacks a value with a limit does not pass: pages, REST, CSV and the command say what it lacks, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.settings import load_settings
from miqa_node.features.phantoms.history import QualityLevel
from miqa_node.features.phantoms.values import LOCALIZER
from miqa_node.runtime.store.database import Database
from tests.features.phantoms.log_making import PIU, PSG, WHY, only_history, scan
from tests.features.phantoms.test_phantom_log import history, limit
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


def test_a_scan_without_a_limited_value_does_not_pass(database: Database) -> None:
    scan(database, 0, {PIU: 95.0, PSG: 0.1})
    scan(database, 1, {PIU: 95.0, PSG: None})
    limit(database, PIU, low=90.0)
    assert history(database).level_of_scan() is QualityLevel.PASS, "what has no limit need not be measured"
    limit(database, PSG, high=1.0)
    one = history(database)
    assert [one.level_of_scan(index).value for index in (0, 1)] == ["pass", "not_measured"]
    assert one.last.missing == {PSG: WHY}
    limit(database, PIU, low=96.0)
    assert history(database).level_of_scan() is QualityLevel.FAIL, "a value that fails is worse"


def test_a_scan_of_which_nothing_was_measured_lacks_all_with_a_limit(database: Database) -> None:
    scan(database, 0, {PIU: 95.0, PSG: 0.1})
    limit(database, PIU, low=90.0)
    scan(database, 1, {})
    assert history(database).last.missing == {PIU: "Nothing could be measured."}
    assert history(database).level_of_scan() is QualityLevel.NOT_MEASURED


def test_a_localizer_need_not_show_what_other_slices_show(database: Database) -> None:
    scan(database, 0, {PIU: None, "sagittal_length_mm": 148.0}, why=LOCALIZER)
    limit(database, "sagittal_length_mm", low=146.0)
    limit(database, PIU, everywhere=True, low=90.0)
    assert history(database).level_of_scan() is QualityLevel.PASS


@pytest.fixture
def lacking(stage: Stage) -> str:
    """A scan that lacks a value with a limit; returns the name of its history."""
    database = stage.services.database
    scan(database, 0, {PIU: 95.0, PSG: None})
    limit(database, PIU, low=90.0)
    limit(database, PSG, high=1.0)
    return only_history(database)


def test_pages_say_which_value_is_missing(client: TestClient, lacking: str) -> None:
    for path in ("/phantoms", f"/phantoms/log/{lacking}"):
        page = client.get(path).text
        assert '<span class="verdict review">Not measured</span>' in page, path
        assert f"Ghosting (PSG): {WHY}" in page, path


def test_programs_get_which_value_is_missing(client: TestClient, lacking: str) -> None:
    last = client.get(f"/api/v1/phantoms/log/{lacking}").json()["row"]["last"]
    assert last["level"] == "not_measured"
    assert last["not_measured"] == [{"name": PSG, "unit": "%", "reason": WHY, "level": "not_measured"}]
    assert [one["name"] for one in last["values"]] == [PIU]
    rows = list(csv.DictReader(io.StringIO(client.get("/phantoms/log.csv").text)))
    assert [(row["name"], row["value"], row["level"], row["reason"]) for row in rows] == [
        (PIU, "95", "pass", ""),
        (PSG, "", "not_measured", WHY),
    ]


def test_the_command_says_which_value_is_missing(cli: Callable[..., Ran], tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    database = Database(load_settings(node={"data_dir": folder}).database_url)
    database.migrate()
    scan(database, 0, {PIU: 95.0, PSG: None})
    limit(database, PSG, high=1.0)
    database.close()
    head, row = (line.split("\t") for line in cli("phantoms", "log", "--data-dir", folder).out.splitlines())
    of = dict(zip(head, row, strict=False))
    assert of["Limits"] == "not_measured"
    assert of["Not measured"] == f"{PSG}: {WHY}"
