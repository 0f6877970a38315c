"""The monthly report and the command line say what was counted; the schedule's report is made once and kept."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest
from sqlalchemy import Connection

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.analysis.rejects import Level, analyse
from miqa_node.features.analysis.report import make_report
from miqa_node.features.analysis.rows import rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Database
from tests.features.analysis.rows.test_analysis import NOON, put

NOW = datetime(2026, 2, 2, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(node={"data_dir": tmp_path, "site": "St. Mary <Hospital>"})


@pytest.fixture
def hospital(settings: Settings) -> Iterator[Database]:
    """40 images of January in two rooms; 12 of the 20 in the first are rejected."""
    database = Database(settings.database_url)
    database.migrate()
    with database.begin() as transaction:
        for number in range(40):
            at = NOON + timedelta(days=number % 20, minutes=number)
            station = "ROOM1" if number % 2 else "=cmd|calc"
            it = put(transaction, number, at, verdict=Verdict.ACCEPT, patient=number, station_name=station,
                     operator=f"op-{number % 3}", deviation_index=1.0)  # fmt: skip
            if number % 2 and number < 24:
                reject(database, transaction, it)
    yield database
    database.close()


def reject(database: Database, transaction: Connection, it: InstanceDigest) -> None:
    opinion = ReaderOpinion(
        "anna", LabelOrigin.DECISION, True, rejects=True, findings=("motion_blur",), reason="111210"
    )
    labels.add(transaction, it, opinion, datetime(2026, 1, 25, tzinfo=UTC))


def test_a_rate_that_is_surely_above_the_action_line_asks_for_work(hospital: Database, settings: Settings) -> None:
    with hospital.begin() as transaction:
        rollup.refresh(transaction, NOW)
        result = analyse(transaction, Period(date(2026, 1, 1), date(2026, 2, 1)), settings.analysis)
    levels = {group.value: group.level for group in result.groups["room"]}
    assert levels == {"Thorax 1": Level.INVESTIGATE, "=cmd|calc": Level.FINE}
    assert {group.value: group.images for group in result.groups["operator"]} == {"op-0": 14, "op-1": 13, "op-2": 13}
    assert all(group.level is Level.FEW for group in result.groups["operator"])
    assert (result.step, len(result.trend)) == ("day", 20)
    assert result.rejected.count == 12
    assert result.reasons[0].words == "Motion blur"
    assert result.exposures[0].deviation == 1.0
    assert result.exposures[0].spread == 0.0


def test_the_report_says_the_same_in_three_forms(hospital: Database, settings: Settings) -> None:
    with hospital.begin() as transaction:
        made = make_report(transaction, "2026-01", settings, NOW)
    text = " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(made.pdf)).pages)
    for words in ("Reject analysis January 2026", "40 exposures, 12 rejected: 30.0 %", "Motion blur"):
        assert words in made.html, words
        assert words in text, words
    assert "St. Mary &lt;Hospital&gt;" in made.html
    assert "St. Mary <Hospital>" in text
    assert "surely above the action line" in made.html
    assert len(re.findall("<svg", made.html)) >= 6
    assert "Doe" not in made.html + made.csv + text
    rows = list(csv.DictReader(io.StringIO(made.csv)))
    assert rows[0]["rejected"] == "12"
    assert {row["value"] for row in rows if row["dimension"] == "room"} == {"Thorax 1", "'=cmd|calc"}


@pytest.mark.parametrize("month", ["2026-13", "2026", "January", "2026-1"])
def test_what_is_no_month_is_named(hospital: Database, settings: Settings, month: str) -> None:
    with hospital.begin() as transaction, pytest.raises(SettingsError, match="2026-10"):
        make_report(transaction, month, settings)


def cli(settings: Settings, *words: str) -> int:
    return run(["analysis", *words, "--data-dir", str(settings.node.data_dir)])


def test_every_column_of_the_views_is_described(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "analysis-schema.md").read_text("utf-8")
    database = Database(f"sqlite:///{tmp_path / 'views.sqlite'}")
    database.migrate()
    with database.begin() as transaction:
        connection: Any = transaction.connection.dbapi_connection
        assert isinstance(connection, sqlite3.Connection)
        views = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
        for view in views:
            section = page.split(f"## `{view}`", 1)[1].split("\n## ", 1)[0]
            for column in connection.execute(f"PRAGMA table_info({view})"):
                assert f"| `{column[1]}` |" in section, f"{view}.{column[1]}"
    database.close()
    assert len(views) == 7
