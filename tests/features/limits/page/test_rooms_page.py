"""Rooms on the page Tuning, on Operations, over REST and on the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import RoomState
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.store import tables
from tests.features.limits.page.test_tuning import csrf, post
from tests.features.limits.test_rooms import HARD, LIKE, RULE, Site
from tests.policies import ACCEPT, policy_of
from tests.runtime.store.making import NOW
from tests.web.staging import Stage


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(ACCEPT, RULE, HARD)


@pytest.fixture
def site(stage: Stage, app: FastAPI, policy: Policy) -> Site:
    """A site whose ROOM1 has learned, and whose ROOM2 has sent two images."""
    site = Site(stage.services.database, policy)
    settings = stage.services.settings.model_copy(update={"policy": site.settings})
    app.state.services = replace(stage.services, settings=settings)
    site.judge_all(LIKE)
    site.judge_all(LIKE[:2], first=101, station_name="ROOM2")
    site.look(times=4)
    return site


def test_rooms_stand_on_the_page_with_their_limits_and_are_confirmed(site: Site, client: TestClient) -> None:
    page = client.get("/tuning").text
    assert "Chest, ROOM1, PA</a> (quality)" in page
    assert "18 more images lack" in page
    assert "In force</strong>, learned" in page
    shown = client.get("/tuning", params={"set": 1}).text
    assert "Nobody has confirmed it yet" in shown
    assert shown.count("/tuning/images/") == 12, "six next to the limit, and six of what is told of the room"
    assert 'name="second_look"' not in shown
    assert 'type="range"' not in shown
    form = {"csrf": csrf(client), "number": 1, "comment": "as usual", "actor": "mara"}
    confirmed = post(client, "/tuning/confirm", form)
    assert confirmed.status_code == 200
    assert "confirmed by mara" in confirmed.text
    assert site.state("ROOM1") is RoomState.CONFIRMED
    assert site.state("ROOM2") is RoomState.LEARNING


def test_programs_see_rooms_and_looks(site: Site, client: TestClient) -> None:
    listed = client.get("/api/v1/limits/rooms").json()
    assert listed["learns_from"] == site.settings.learn_images
    first, second = listed["rooms"]
    assert (first["look"]["state"], first["look"]["images"], first["look"]["lacking"]) == ("learned", 24, 0)
    assert (second["look"]["state"], second["look"]["lacking"]) == ("learning", 18)
    assert first["learned_from"]["packages"] == ["quality-1.0"]
    overview = client.get("/api/v1/limits").json()
    assert [one["state"] for one in overview["in_force"]["looks"]] == ["learned", "learning"]
    assert overview["in_force"]["learns_from"] == site.settings.learn_images
    assert overview["sets"][0]["in_force_at"]
    confirmed = client.post("/api/v1/limits/1/confirm", json={"actor": "mara"})
    assert confirmed.status_code == 200, "it is in force"
    anew = client.post("/api/v1/limits/rooms/learn", json={"actor": "mara"})
    assert [one["look"]["state"] for one in anew.json()["rooms"]] == ["expired", "learning"]
    assert client.get("/api/v1/limits").json()["in_force"]["number"] == 1, "its limits stay"


def test_operations_tell_of_expired_rooms(site: Site, client: TestClient) -> None:
    page = client.get("/operations").text
    assert "most of its images show Noisy" in page
    assert "Check dose and exposure index" in page
    assert page.count("/tuning/images/") == 6
    assert "ROOM2" not in page, "one that learns is no news"
    with site.database.begin() as transaction:
        room = site.rooms["ROOM1"]
        assert rooms.change(transaction, room, replace(room, state=RoomState.EXPIRED))
    page = client.get("/operations").text
    assert "its limits stay until it has learned anew" in page


def test_a_room_that_a_pilot_taught_says_so(site: Site, client: TestClient) -> None:
    with site.database.begin() as transaction:
        room = site.rooms["ROOM1"]
        taught = replace(room, learned_from=replace(room.learned_from, is_pilot=True), found=0.9)
        assert rooms.change(transaction, room, taught)
    assert "learned from images of a pilot" in client.get("/tuning").text
    assert client.get("/api/v1/limits/rooms").json()["rooms"][0]["learned_from"]["is_pilot"] is True


def test_a_person_lets_an_upgraded_node_learn(stage: Stage, app: FastAPI, client: TestClient, policy: Policy) -> None:
    site = Site(stage.services.database, policy)
    settings = stage.services.settings.model_copy(update={"policy": site.settings})
    app.state.services = replace(stage.services, settings=settings)
    row = dict.fromkeys(("package", "body_part", "room", "view", "detector"), "")
    values = {
        "state": "confirmed",
        "began_at": NOW,
        "changed_at": NOW,
        "images": 0,
        "so_far": 0,
        "told": [],
        "learned_from": {},
    }
    with site.database.begin() as transaction:
        transaction.execute(sa.insert(tables.rooms).values({**row, **values}))
    assert "Let rooms learn" in client.get("/tuning").text
    assert client.get("/api/v1/limits/rooms").json()["learns_from"] == 0
    learning = post(client, "/tuning/learn", {"csrf": csrf(client), "actor": "mara"})
    assert "Let rooms learn" not in learning.text
    assert "Let all rooms learn anew" in learning.text
    assert client.get("/api/v1/limits/rooms").json()["learns_from"] == site.settings.learn_images
    assert client.get("/audit").status_code == 200


def test_a_person_has_seen_what_is_told_of_a_room(site: Site, client: TestClient) -> None:
    first = client.get("/api/v1/limits/rooms").json()["rooms"][0]
    assert (first["whole"]["told"], first["whole"]["seen"]) == (["noise"], [])
    shown = first["examples"][0]
    assert (
        client.get(f"/tuning/images/{shown['digest']}", follow_redirects=False)
        .headers["location"]
        .endswith(shown["study_instance_uid"])
    )
    place = first["look"]["place"]
    page = post(client, "/tuning/seen", {"csrf": csrf(client), "actor": "mara", **place}).text
    assert "as somebody has seen" in page
    assert "Check dose" not in page
    assert "Noisy" not in client.get("/operations").text
    assert client.post("/api/v1/limits/rooms/seen", json={"actor": "mara", **place}).status_code == 409
    nowhere = {"actor": "mara", **place, "room": "R9"}
    assert client.post("/api/v1/limits/rooms/seen", json=nowhere).status_code == 404
    with site.database.begin() as transaction:
        rooms.tell(transaction, site.rooms["ROOM1"].place, ["noise", "unsharp"], [], NOW)
    again = client.post("/api/v1/limits/rooms/seen", json={"actor": "mara", **place})
    assert again.json()["rooms"][0]["whole"]["seen"] == ["noise", "unsharp"]
