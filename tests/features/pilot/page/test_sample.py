"""From a folder to the page of proof: images are drawn, fetched again, read by two people, and reported."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pypdf import PdfReader

from miqa_node.core.domain.access import Role
from miqa_node.features.pilot.rows import pilots, sample
from miqa_node.features.pilot.tables import pilot_images, pilot_readings, pilot_sample
from miqa_node.features.retention.rows import erasure
from miqa_node.interfaces.cli.app import run
from tests.features.pilot.making import PERIOD, as_file, past_images
from tests.web.people import ORIGIN, add_account, signed_in
from tests.web.staging import Stage, csrf

pytestmark = pytest.mark.more
Pilot = Callable[..., int]


@pytest.fixture
def source(tmp_path: Path, samples: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    for image in past_images(samples, 12):
        (folder / f"{image.SOPInstanceUID}.dcm").write_bytes(as_file(image))
    return folder


@pytest.fixture
def pilot(stage: Stage, source: Path) -> Pilot:
    """A pilot that has run, a third of whose images are flagged, and its commands."""

    def call(*words: str) -> int:
        return run(["pilot", *words, "--data-dir", str(stage.services.settings.node.data_dir)])

    assert call("plan", "october", "--from", str(source), "--modality", "CR", *PERIOD) == 0
    assert call("run", "october") == 0
    with stage.services.database.begin() as transaction:
        quiet = sa.update(pilot_images).where(pilot_images.c.image_id % 3 != 0)
        transaction.execute(quiet.values(verdict="ACCEPT", findings=[]))
    return call


def read_all(client: TestClient, grade: Callable[[int], str]) -> list[int]:
    read = []
    path = "/pilots/october/read"
    while shown := re.search(r'name="image" value="(\d+)"', (page := client.get(path)).text):
        for word in ("REVIEW", "ACCEPT", "Rejected", "ROOM1", "finding"):
            assert word not in page.text.split("<article")[1].split("<form")[0], "blinded"
        number = int(shown[1])
        assert client.get(f"/pilots/october/pictures/{number}.jpg").content[:2] == b"\xff\xd8"
        form = {"image": shown[1], "grade": grade(number), "rating": "50", "csrf": csrf(client)}
        assert client.post(path, data=form, headers=ORIGIN).status_code == 303
        assert client.post(path, data=form, headers=ORIGIN).status_code == 409, "a reading does not change"
        read.append(number)
    return read


def test_a_sample_is_read_by_two_and_makes_the_page(
    stage: Stage, pilot: Pilot, connect: Callable[..., TestClient], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ada, ben = (signed_in(stage, connect, name, Role.REVIEWER) for name in ("ada", "ben"))
    chosen = ("--images", "10", "--reader", "ada", "--second-reader", "ben", "--overlap", "4")
    assert pilot("sample", "october", *chosen) == 0
    assert pilot("sample", "october") == 0, "the same command goes on"
    assert pilot("sample", "october", "--reader", "ben") != 0, "no second draw"
    with stage.services.database.begin() as transaction:
        counts = sample.counts(transaction, "october")
    assert (counts.drawn, counts.fetched, counts.lost, counts.second) == (10, 10, 0, 4)
    of_ada = read_all(ada, lambda number: "unusable" if number % 3 == 0 else "usable")
    of_ben = read_all(ben, lambda number: "unusable" if number % 2 == 0 else "limited")
    assert len(of_ada) == 10
    assert len(of_ben) == 4
    assert set(of_ben) < set(of_ada)
    assert sorted(of_ada) != of_ada, "in the order of the draw"
    files = {kind: tmp_path / f"october.{kind}" for kind in ("html", "pdf", "csv")}
    options = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
    capsys.readouterr()
    assert pilot("report", "october", *options, "--examples", "--json") == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert (figures["found"], figures["judged"], figures["flagged"]["count"]) == (12, 12, 4)
    assert (figures["read"], figures["both_read"], figures["right"]["share"]) == (10, 4, 1.0)
    assert figures["missed"]["share"] == 0.0
    html = files["html"].read_text()
    assert html.count("data:image/jpeg") == 4
    assert "4 of 12 images" in html
    assert "Text that was found in the pixels is covered" in html
    assert "How often is a flag right?" in PdfReader(files["pdf"]).pages[0].extract_text()
    rows = list(csv.reader(io.StringIO(files["csv"].read_text())))
    assert sum(row[:1] == ["judged"] for row in rows) == 12
    for private in ("P1", "ada", "ben", "2026-10-0", "20261"):
        assert private not in files["csv"].read_text().replace("since,2026-10-01", "")


def test_only_administrators_see_a_pilot_and_only_its_readers_the_images(
    stage: Stage, pilot: Pilot, connect: Callable[..., TestClient]
) -> None:
    add_account(stage, "ada", Role.REVIEWER)
    other, admin = signed_in(stage, connect, "otto", Role.REVIEWER), signed_in(stage, connect, "anna", Role.ADMIN)
    assert pilot("sample", "october", "--images", "10", "--reader", "ada") == 0
    for path in (
        "/pilots",
        "/pilots/october",
        "/pilots/october/report.csv",
        "/api/v1/pilots",
        "/api/v1/pilots/october",
    ):
        assert admin.get(path).status_code == 200, path
        assert other.get(path).status_code == 403, path
    with stage.services.database.begin() as transaction:
        number = sample.to_read(transaction, "october", "ada", is_second=False)[0]
    for path in ("/pilots/october/read", f"/pilots/october/pictures/{number}.jpg"):
        assert other.get(path).status_code == 403, path
    page = admin.get("/pilots").text
    assert "12 / 12" in page
    assert "Nobody has read any image yet" in admin.get("/pilots/october").text
    form = {"is_paused": "true", "csrf": csrf(admin)}
    assert admin.post("/pilots/october/pause", data=form, headers=ORIGIN).status_code == 303
    with stage.services.database.begin() as transaction:
        assert pilots.find(transaction, "october").is_paused
    assert "Go on" in admin.get("/pilots").text


def test_what_the_archive_lost_is_listed_and_weights_stay(stage: Stage, pilot: Pilot, source: Path) -> None:
    add_account(stage, "ada", Role.REVIEWER)
    shutil.rmtree(source)
    source.mkdir()
    assert pilot("sample", "october", "--images", "10", "--reader", "ada") == 1
    with stage.services.database.begin() as transaction:
        counts = sample.counts(transaction, "october")
        assert (counts.drawn, counts.fetched, counts.lost) == (10, 0, 10)
        assert sum(drawn for _, drawn in sample.strata(transaction, "october").values()) == 10


def test_an_erasure_takes_pictures_and_readings_with_it(
    stage: Stage, pilot: Pilot, connect: Callable[..., TestClient], capsys: pytest.CaptureFixture[str]
) -> None:
    ada = signed_in(stage, connect, "ada", Role.REVIEWER)
    assert pilot("sample", "october", "--images", "12", "--reader", "ada") == 0
    read_all(ada, lambda _number: "usable")
    with stage.services.database.begin() as transaction:
        erasure.erase(transaction, "P3", "asked for it", "anna", datetime.now(UTC))
        for table in (pilot_images, pilot_sample, pilot_readings):
            assert transaction.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 10, table.name
    capsys.readouterr()
    assert pilot("report", "october", "--json") == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert (figures["found"], figures["judged"], figures["erased"], figures["read"]) == (12, 10, 2, 10)


def test_a_sample_needs_a_run_to_its_end_and_people_with_accounts(
    stage: Stage, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: str) -> int:
        return run(["pilot", *words, "--data-dir", str(stage.services.settings.node.data_dir)])

    assert call("plan", "october", "--from", str(source), "--modality", "CR", *PERIOD) == 0
    assert call("sample", "october", "--reader", "ada") != 0
    assert "has no account" in capsys.readouterr().err
    assert call("report", "october") == 0
    assert "Nobody has read any image yet" in capsys.readouterr().out
