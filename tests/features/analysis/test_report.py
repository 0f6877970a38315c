"""The monthly report and the command line say what was counted; the schedule's report is made once and kept."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pypdf
import pytest
from sqlalchemy import Connection

from miqa_node import __version__
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.room import Place
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.analysis.monthly_reports import Form, keep_last_month, key
from miqa_node.features.analysis.months import month_before
from miqa_node.features.analysis.rejects import Level, analyse
from miqa_node.features.analysis.report import make_report
from miqa_node.features.analysis.rows import reports, rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.site_records import labels, rooms
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
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


@pytest.mark.more
def test_commands_print_and_write_the_analysis(
    hospital: Database, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(settings, "rejects", "--month", "2026-01") == 0
    printed = capsys.readouterr().out
    assert "40 images, 30.0 % (18.1–45.4) rejected" in printed
    assert "Motion blur\t12\t" in printed
    assert "Thorax 1\t20\t60.0 %" in printed
    assert cli(settings, "rejects", "--room", "Thorax 1", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["total"]["images"] > 0
    assert answer["rejected"]["count"] == 12
    assert cli(settings, "model", "--month", "2026-01") == 0
    assert "flagged images that people confirmed" in capsys.readouterr().out
    assert cli(settings, "report", "--month", "2026-01", "--out", str(tmp_path / "r")) == 0
    assert {file.name for file in (tmp_path / "r").iterdir()} == {
        f"rejects-2026-01.{form}" for form in ("html", "pdf", "csv")
    }
    assert cli(settings, "report", "--month", "2026-01", "--out", str(tmp_path / "one.pdf")) == 0
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")
    assert cli(settings, "report", "--month", "soon") != 0


@pytest.mark.more
def test_the_report_is_in_the_language_of_the_site_and_leaves_no_english(
    hospital: Database, settings: Settings, tmp_path: Path
) -> None:
    german = load_settings(node={"data_dir": tmp_path, "site": "Klinik", "language": "de"})
    with hospital.begin() as transaction:
        made = make_report(transaction, "2026-01", german, NOW)
        english = make_report(transaction, "2026-01", settings, NOW)
    text = " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(made.pdf)).pages)
    for words in ("Fehlaufnahmenanalyse Januar 2026", "40 Aufnahmen, 12 abgelehnt: 30,0 %", "Bewegungsunschärfe"):
        assert words in made.html, words
        assert words in text, words
    assert '<html lang="de">' in made.html
    assert made.csv == english.csv, "for programs"
    alike = phrases(made.html) & phrases(english.html)
    assert {one for one in alike if re.search("(?!Jan)[A-Za-z]{3}", one)} == ALIKE
    assert not re.search(r"\d\.\d", " ".join(phrases(made.html) - {f"Klinik · miqa-node {__version__} · 2026-02-02"}))


ALIKE = {"Thorax 1", "ROOM1", "=cmd|calc", "CHEST", "Station"}


"""Names of the site, values of headers, and a word that both languages have."""


def phrases(html: str) -> set[str]:
    """What people read or hear of a page."""
    body = html.split("</style>")[1]
    return {unescape(one).strip() for pair in re.findall(r'>([^<>]+)<|aria-label="([^"]*)"', body) for one in pair} - {
        ""
    }


def test_the_report_names_rooms_of_which_nobody_has_seen_what_is_told(hospital: Database, settings: Settings) -> None:
    place = Place("quality", "CHEST", "ROOM7", "PA")
    with hospital.begin() as transaction:
        rooms.begin(transaction, place, NOW)
        rooms.tell(transaction, place, ["noise"], [], NOW)
        made = make_report(transaction, "2026-01", settings, NOW)
        rooms.see(transaction, [place], "mara", "", NOW)
        after = make_report(transaction, "2026-01", settings, NOW)
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(made.pdf)).pages)
    for words in ("Rooms to look at", "ROOM7", "2026-02-02", "Noisy", "Check dose"):
        assert words in made.html, words
        assert words in text, words
    assert "ROOM7" not in after.html


@pytest.mark.more
def test_the_report_of_an_empty_month_can_be_made(hospital: Database, settings: Settings) -> None:
    with hospital.begin() as transaction:
        made = make_report(transaction, "2020-05", settings, NOW)
    assert "0 exposures" in made.html
    assert made.pdf.startswith(b"%PDF")


@pytest.mark.more
def test_the_scheduled_report_is_of_the_month_before_and_made_once(
    hospital: Database, settings: Settings, tmp_path: Path
) -> None:
    objects = DiskObjects(tmp_path / "objects")
    for _ in range(2):
        assert keep_last_month(hospital, objects, settings, NOW) == "2026-01"
    assert objects.get(key("2026-01", Form.PDF)).startswith(b"%PDF")
    assert b"Reject analysis January 2026" in objects.get(key("2026-01", Form.HTML))
    with hospital.begin() as transaction:
        assert reports.months(transaction, limit=9) == ["2026-01"]
    assert month_before(date(2026, 3, 31)) == "2026-02"


@pytest.mark.more
@pytest.mark.parametrize(
    ("view", "rows", "column"),
    [("images", 40, "rejected"), ("days", None, "images"), ("labels", 12, "actor"), ("label_findings", 24, "labelled"),
     ("findings", 40, "x"), ("measurements", 0, "bin")],
)  # fmt: skip
def test_every_view_can_be_exported_and_names_nobody(
    hospital: Database, settings: Settings, capsys: pytest.CaptureFixture[str], view: str, rows: int | None, column: str
) -> None:
    assert cli(settings, "export", view, "--since", "2026-01-01", "--until", "2026-12-31") == 0
    printed = capsys.readouterr().out
    cells = list(csv.reader(io.StringIO(printed)))
    assert column in cells[0]
    assert rows is None or len(cells) == rows + 1
    assert "Doe" not in printed
    assert not re.search(r"\bID\d", printed)
