"""People read the site's time, programs get UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.settings import load_settings
from miqa_node.errors import SettingsError
from miqa_node.interfaces.web.app import WebServices, create_app
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from tests.web.staging import Stage

LATE = datetime(2026, 7, 14, 22, 30, tzinfo=UTC)
"""Half past midnight of the next day in Berlin."""


@pytest.fixture
def berlin(stage: Stage) -> TestClient:
    settings = load_settings(node={"data_dir": stage.services.settings.node.data_dir, "time_zone": "Europe/Berlin"})
    services = WebServices(stage.services.database, stage.services.objects, settings, list)
    return TestClient(create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000))


def test_pages_show_the_time_of_the_site_and_rest_utc(stage: Stage, berlin: TestClient, client: TestClient) -> None:
    uid, _ = stage.add(1, at=LATE)

    page = berlin.get(f"/studies/{uid}").text
    assert "2026-07-15 00:30:00 CEST" in page
    assert "all times are CE" in page
    assert "(Europe/Berlin)" in page
    assert berlin.get("/api/v1/worklist").json()["items"][0]["flagged_at"] == "2026-07-14T22:30:00Z"
    assert "00:30 CEST" not in client.get(f"/studies/{uid}").text, "another application keeps its own zone"


def test_a_day_of_the_audit_page_is_a_day_of_the_site(stage: Stage, berlin: TestClient) -> None:
    with stage.services.database.begin() as transaction:
        records.add(transaction, AuditEntry(AuditEvent.EXPORTED, LATE, "vera"))

    assert "vera" in berlin.get("/audit?since=2026-07-15&until=2026-07-15").text
    assert "No records" in berlin.get("/audit?event=exported&since=2026-07-14&until=2026-07-14").text


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean Europe/Berlin"):
        load_settings(node={"time_zone": "Europa/Berlin"})


def test_a_room_display_has_the_clock_of_the_site_in_one_form(stage: Stage, berlin: TestClient) -> None:
    stage.add(1, at=datetime.now(UTC), station="ROOM1")

    page = berlin.get("/rooms/ROOM1").text
    clock = re.search(r'data-offset-s="(3600|7200)" data-zone="(CET|CEST)"', page)
    assert clock is not None, "scripts show the site's clock, whatever zone the screen has"
    assert re.search(rf"\d\d:\d\d:\d\d {clock[2]} ·", page)
    script = berlin.get("/static/rooms/room.js").text
    assert "toLocaleTimeString" not in script, "12 and 24 hours would mix"


@pytest.mark.more
def test_a_day_of_the_filter_is_a_day_of_the_site(stage: Stage, berlin: TestClient) -> None:
    stage.add(1, at=LATE)

    assert "1 of 1" in berlin.get("/?since=2026-07-15&until=2026-07-15").text
    assert "No study matches" in berlin.get("/?since=2026-07-14&until=2026-07-14").text


@pytest.mark.more
def test_a_site_speaks_its_language_and_a_browser_may_speak_another(stage: Stage, client: TestClient) -> None:
    uid, _ = stage.add(1, at=LATE)
    settings = load_settings(node={"data_dir": stage.services.settings.node.data_dir, "language": "de"})
    services = WebServices(stage.services.database, stage.services.objects, settings, list)
    german = TestClient(create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000))

    for address in (
        "/",
        f"/studies/{uid}",
        "/images",
        "/operations",
        "/analysis",
        "/analysis/model",
        "/rooms",
        "/account",
    ):
        page = german.get(address).text
        assert '<html lang="de">' in page, address
        assert ">Arbeitsliste</a>" in page, address
    assert "Fehlalarm" in german.get(f"/studies/{uid}").text
    missing = german.get("/nowhere", headers={"accept": "text/html"}).text
    assert "Nicht gefunden" in missing
    assert "Unter dieser Adresse ist nichts." in missing
    assert '"Umrisse"' in german.get("/").text, "texts of scripts"

    assert "Worklist" in client.get("/").text
    csrf = re.search(r'name="csrf" value="(\w+)"', client.get("/account").text)
    assert csrf is not None
    chosen = {"csrf": csrf[1], "language": "de", "zone": "Europe/Berlin"}
    own = {"origin": "http://localhost:8080"}
    client.post("/account/language", data=chosen, headers=own)
    page = client.get(f"/studies/{uid}").text
    assert "Arbeitsliste" in page
    assert "2026-07-15 00:30:00 CEST" in page
    assert client.get("/api/v1/worklist").json()["items"][0]["flagged_at"] == "2026-07-14T22:30:00Z"
    wrong = client.post("/account/language", data=chosen | {"zone": "Mars/Base"}, headers=own | {"accept": "text/html"})
    assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "kennt diese Sprache oder Zeitzone nicht" in wrong.text
