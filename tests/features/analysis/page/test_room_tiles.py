"""The list of rooms: the state of each in words, the site's names, radiographs unless others are chosen."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.runtime.store.tables import instances
from tests.web.staging import PATIENT_NAME, Stage

TILE = re.compile(r'<a class="card".*?</a>', re.DOTALL)
TAGS = re.compile(r"<[^>]+>")


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def tiles(page: str) -> list[str]:
    return [re.sub(r"\s+", " ", html.unescape(TAGS.sub(" ", one))).strip() for one in TILE.findall(page)]


@pytest.fixture
def rooms(stage: Stage, app: FastAPI) -> Stage:
    stage.add(1, Verdict.REJECT, FindingName.FOREIGN_OBJECT, at=ago(50))
    stage.add(2, Verdict.REVIEW, FindingName.NOISE, at=ago(30))
    stage.add(3, Verdict.ACCEPT, at=ago(12))
    stage.add(4, Verdict.ACCEPT, at=ago(5), station="A1")
    stage.add(5, Verdict.REVIEW, at=ago(3), station="CT1")
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.update(instances).where(instances.c.station == "CT1").values(modality="CT"))
    settings = stage.services.settings
    named = settings.analysis.model_copy(update={"rooms": {"ROOM1": "Thorax 1"}})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"analysis": named}))
    return stage


def without_findings(stage: Stage, app: FastAPI) -> None:
    settings = stage.services.settings
    web = settings.web.model_copy(update={"display_findings": False})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"web": web}))


def test_a_tile_says_the_state_of_its_room(rooms: Stage, client: TestClient) -> None:
    first, second = tiles(client.get("/rooms").text)

    assert first == "Thorax 1 ROOM1 Accepted 12 min 2 images not seen yet: Noise, Foreign object"
    assert second == "A1 Accepted 5 min Nothing open"


def test_reasons_that_are_sentences_are_one_list(rooms: Stage, client: TestClient) -> None:
    rooms.add(6, Verdict.REVIEW, text="The grayscale is probably inverted.", at=ago(2))
    assert ": The grayscale is probably inverted, Noise, Foreign object" in tiles(client.get("/rooms").text)[0]


def test_other_stations_are_shown_if_they_are_chosen(rooms: Stage, client: TestClient) -> None:
    assert not any("CT1" in one for one in tiles(client.get("/rooms").text))
    assert any("CT1" in one for one in tiles(client.get("/rooms?all=true").text))


def test_a_display_has_the_name_of_its_room_and_says_what_is_to_be_seen(rooms: Stage, client: TestClient) -> None:
    page = client.get("/rooms/ROOM1").text
    assert "<h1>Thorax 1</h1>" in page
    unseen = re.search(r'<ul class="unseen".*?</ul>', page, re.DOTALL)
    assert unseen is not None
    rows = [TAGS.sub(" ", one) for one in unseen[0].split("<li")[1:]]
    assert ["Noise" in rows[0], "Foreign object" in rows[1]] == [True, True]


def test_a_site_can_turn_findings_off(rooms: Stage, app: FastAPI, client: TestClient) -> None:
    without_findings(rooms, app)
    for address in ("/rooms", "/rooms/ROOM1", "/rooms/ROOM1/now"):
        page = client.get(address).text
        assert "Foreign object" not in page
        assert "Noise" not in page
    assert "<polygon" not in client.get("/rooms/ROOM1").text
    assert client.get("/rooms/ROOM1/now").text.count("data-acknowledge") == 2, "it can still be seen"


def test_nothing_of_a_patient_is_on_it(rooms: Stage, client: TestClient) -> None:
    for address in ("/rooms", "/rooms?all=true", "/rooms/ROOM1"):
        page = client.get(address).text
        for secret in (PATIENT_NAME, "Muster", "PID1", "ACC1", "1.2.3."):
            assert secret not in page, (address, secret)
