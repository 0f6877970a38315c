"""The display in a room: what it says of the newest exposure, and that it knows nothing of patients."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.codes import MOTION_BLUR, OTHER_FAILURE
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.pixel_text import TextKind, TextLine
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.features.analysis.page.rooms import router as rooms
from miqa_node.features.analysis.rows.stations import StationExposure
from miqa_node.features.worklist.page import updates
from miqa_node.features.worklist.page.updates import LiveUpdates
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.report.picture import rgb
from tests.stages.report.making import assessment
from tests.web.people import add_account, add_token
from tests.web.staging import PATIENT_NAME, Stage, csrf

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("verdict", "light", "words"),
    [
        (Verdict.ACCEPT, "green", "Accepted"),
        (Verdict.REVIEW, "amber", "Review"),
        (Verdict.REJECT, "red", "Rejected"),
        (Verdict.NOT_ASSESSED, "unknown", "Not assessed"),
    ],
)
def test_the_light_follows_the_newest_exposure(
    stage: Stage, client: TestClient, verdict: Any, light: str, words: str
) -> None:
    stage.add(1, Verdict.ACCEPT, at=ago(9))
    stage.add(2, Verdict.REJECT, at=ago(8))
    stage.add(3, verdict, at=ago(1))
    stage.add(4, Verdict.REVIEW, at=ago(0), station="ROOM2")

    page = client.get("/rooms/ROOM1").text

    assert f'data-light="{light}"' in page
    assert words in page
    assert page.index('<li class="red">') < page.index('<li class="green">'), "earlier ones follow, newest first"
    assert 'data-light="amber"' in client.get("/rooms/ROOM2/now").text


def test_it_says_why_and_what_to_do_better_without_figures(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.REJECT, FindingName.FOREIGN_OBJECT, at=ago(1))

    page = client.get("/rooms/ROOM1/now").text

    assert "<li>Foreign object</li>" in page
    assert "Have it taken off" in page
    assert "0.97" not in page


def test_nobody_is_sent_to_a_region_that_the_display_does_not_show() -> None:
    blurred = Reason("motion_blur", "Motion blur", MOTION_BLUR, Verdict.REJECT)
    unusual = Reason("anomaly", "Unusual image", OTHER_FAILURE, Verdict.REVIEW)
    decided = Disposition(Verdict.REJECT, (blurred, unusual), "p1", "chest")

    hints = rooms._hints(StationExposure(ago(1), ago(1), "DX", "CHEST", "PA", decided, None), "en")

    assert len(hints) == 1
    assert "region" not in hints[0]


def test_a_new_exposure_is_never_asked_for_beside_the_hint_that_none_is_needed() -> None:
    reasons = tuple(
        Reason(name, name, OTHER_FAILURE, Verdict.REJECT) for name in ("contrast_processing", "clipped_anatomy")
    )
    decided = Disposition(Verdict.REJECT, reasons, "p1", "chest")
    [hint] = rooms._hints(StationExposure(ago(1), ago(1), "DX", "CHEST", "PA", decided, None), "en")
    assert "repeat with" in hint


def test_nothing_on_it_is_about_the_patient(stage: Stage, client: TestClient) -> None:
    study, digest = stage.add(1, Verdict.REJECT, at=ago(1))

    for path in ("/rooms", "/rooms/ROOM1", "/rooms/ROOM1/now"):
        page = client.get(path).text
        for secret in (PATIENT_NAME, "Muster", "PID1", "ACC1", study, digest, "20261120", "1.2.3.4", "/previews/"):
            assert secret not in page, (path, secret)


def test_the_picture_is_that_of_the_exposure_that_is_shown(stage: Stage, client: TestClient) -> None:
    older, newest = ago(2), ago(1)
    stage.add(1, Verdict.REJECT, FindingName.FOREIGN_OBJECT, at=older, preview=b"the older one")
    stage.add(2, Verdict.REJECT, FindingName.FOREIGN_OBJECT, at=newest, preview=b"the newest one", peak=(0.1, 0.1))

    page = client.get("/rooms/ROOM1/now").text

    address = re.search('<image href="([^"]+)"', page)
    assert address is not None
    assert client.get(html.unescape(address[1])).content == b"the newest one"
    assert client.get("/rooms/ROOM2/picture.png", params={"at": newest.isoformat()}).status_code == 404
    assert client.get("/rooms/ROOM1/picture.png", params={"at": ago(0).isoformat()}).status_code == 404
    assert "Foreign object, upper part, on the patient&#39;s right" in page


def test_the_place_is_outlined_and_named_in_the_colour_of_its_finding(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1, Verdict.REJECT, FindingName.FOREIGN_OBJECT, at=ago(1), peak=(0.8, 0.2))
    values = np.zeros((32, 32), np.float32)
    values[4:9, 20:28] = 1.0
    maps = SaliencyMaps({FindingName.FOREIGN_OBJECT: SaliencyMap(values, "drise")})
    Artifacts(stage.services.objects).keep_maps(digest, maps)

    picture = ET.fromstring(SVG.findall(client.get("/rooms/ROOM1/now").text)[0])

    [outline] = picture.iter("polygon")
    assert outline.get("stroke") == "#{:02x}{:02x}{:02x}".format(
        *rgb(finding_entries()[FindingName.FOREIGN_OBJECT].colour)
    )
    width, height = (float(side) for side in picture.attrib["viewBox"].split()[2:])
    corners = np.array([corner.split(",") for corner in outline.attrib["points"].split()], float) / (width, height)
    assert corners.min(axis=0) == pytest.approx((20 / 32, 4 / 32), abs=0.04)
    assert corners.max(axis=0) == pytest.approx((28 / 32, 9 / 32), abs=0.04)
    [name] = picture.iter("text")
    assert name.text == "Foreign object"
    client.cookies.set("miqa_language", "de")
    assert ">Fremdmaterial</text>" in client.get("/rooms/ROOM1/now").text


def test_pictures_and_the_end_of_the_accession_number_follow_the_settings(
    stage: Stage, app: FastAPI, client: TestClient
) -> None:
    stage.add(1234567, Verdict.REJECT, at=ago(1))
    assert "…" not in client.get("/rooms/ROOM1/now").text
    settings = stage.services.settings
    web = settings.web.model_copy(update={"display_picture": False, "display_accession_digits": 4})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"web": web}))

    page = client.get("/rooms/ROOM1/now").text

    assert "…4567" in page
    assert "ACC" not in page
    assert "<image" not in page


@pytest.mark.parametrize(
    ("annotation", "lines", "shown"),
    [("", (), True), ("NO", (), True), ("YES", (), False), ("NO", (TextLine(TextKind.NAME, 1, 2, 30, 4),), False)],
)
def test_no_picture_shows_text_that_may_identify(
    stage: Stage, annotation: str, lines: tuple[TextLine, ...], shown: bool
) -> None:
    judged = assessment()
    judged = replace(judged, header=replace(judged.header, burned_in_annotation=annotation), text=lines)
    exposure = StationExposure(ago(1), ago(1), "CR", "CHEST", "PA", None, judged)
    assert rooms._may_show(stage.services, exposure) is shown


def test_somebody_in_the_room_has_seen_it(stage: Stage, client: TestClient) -> None:
    first = ago(3)
    stage.add(1, Verdict.REJECT, at=first)
    stage.add(2, Verdict.ACCEPT, at=ago(1))
    assert "another examination" in client.get("/rooms/ROOM1/now").text, "a flagged image of before stays in sight"
    form, headers = {"csrf": csrf(client)}, {"origin": "http://localhost:8080"}

    rows = client.post("/rooms/ROOM1/acknowledge", data=form | {"at": first.isoformat()}, headers=headers)
    unknown = client.post("/rooms/ROOM1/acknowledge", data=form | {"at": ago(2).isoformat()}, headers=headers)

    assert (rows.status_code, unknown.status_code) == (204, 404), rows.text
    assert "another examination" not in client.get("/rooms/ROOM1/now").text
    with stage.services.database.begin() as transaction:
        assert worklist.show(transaction, "1.2.3.1").state == "OPEN", "seen is not decided"
        assert [one.actor for one in history.of_worklist(transaction, "1.2.3.1")][-1] == "room ROOM1"


def test_what_nobody_saw_stays_until_its_shift_ends_and_is_a_number_with_its_findings(
    stage: Stage, app: FastAPI, client: TestClient
) -> None:
    now = datetime.now(UTC).astimezone()
    shifts = {"early": f"{now - timedelta(hours=2):%H:%M}", "late": f"{now + timedelta(hours=6):%H:%M}"}
    settings = stage.services.settings
    analysis = settings.analysis.model_copy(update={"shifts": shifts})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"analysis": analysis}))
    before, first = ago(60 * 3), ago(60)
    stage.add(1, Verdict.REJECT, at=before)
    stage.add(2, Verdict.REJECT, at=first)
    page = client.get("/rooms/ROOM1/now").text
    assert f'data-acknowledge="{first.isoformat()}"' in page
    assert before.isoformat() not in page, "the shift before has seen it, or it is on the worklist"
    assert "folded" not in page, "one is no number"
    for number in range(3, 40):
        stage.add(number, Verdict.ACCEPT if number % 3 else Verdict.REVIEW, FindingName.NOISE, at=ago(40 - number))
    page = client.get("/rooms/ROOM1/now").text
    summary = re.search(r"<summary>(.*?)</summary>", page, re.DOTALL)
    assert summary is not None
    assert re.sub("<[^>]+>", "", summary[1]) == "13 not seen yet · Noise 12 · Motion blur 1"
    assert page.count(f'data-acknowledge="{first.isoformat()}"') == 1


def test_what_people_resolved_on_the_worklist_is_seen(stage: Stage, client: TestClient) -> None:
    study, _ = stage.add(1, Verdict.REJECT, at=ago(60))
    stage.add(2, Verdict.ACCEPT, at=ago(1))
    assert "data-acknowledge" in client.get("/rooms/ROOM1/now").text
    with stage.services.database.begin() as transaction:
        worklist.resolve(transaction, study, Resolution.DISMISSED, "mara", "", datetime.now(UTC))
    assert "data-acknowledge" not in client.get("/rooms/ROOM1/now").text


def test_it_says_that_the_node_is_not_ready(stage: Stage, client: TestClient) -> None:
    stage.not_ready.append("The disk is full.")
    assert "The node is not ready. The disk is full." in client.get("/rooms/ROOM1").text


def test_what_was_not_assessed_is_quiet(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.NOT_ASSESSED, at=ago(1))

    page = client.get("/rooms/ROOM1/now").text

    assert 'data-light="unknown"' in page
    assert "data-acknowledge" not in page
    assert '<ul class="why">' not in page


def test_old_exposures_go_away(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.REJECT, at=ago(31))

    page = client.get("/rooms/ROOM1").text

    assert 'data-light="idle"' in page
    assert "No exposure in the last 30 minutes" in page


def test_a_display_is_opened_with_a_token_that_opens_nothing_else(
    stage: Stage, connect: Callable[..., TestClient]
) -> None:
    at = ago(1)
    stage.add(1, at=at, station="ROOM 1/left")
    add_account(stage, "screens", Role.VIEWER)
    key = add_token(stage, "screens", Permission.DISPLAY)["authorization"].split()[1]
    too_much = add_token(stage, "screens", Permission.READ)["authorization"].split()[1]
    screen = connect(client="10.0.0.9")
    room = "/rooms/ROOM%201%2Fleft"

    page = screen.get(f"{room}?key={key}")

    assert page.status_code == 200
    assert f'data-now="{room}/now?key={key}"' in page.text
    form, own = {"at": at.isoformat()}, {"origin": "http://localhost:8080"}
    now = screen.get(f"{room}/now?key={key}")
    assert (now.status_code, "data-acknowledge" in now.text) == (200, True)
    assert screen.post(f"{room}/acknowledge?key={too_much}", data=form, headers=own).status_code == 403
    assert screen.post(f"{room}/acknowledge?key={key}", data=form, headers=own).status_code == 204
    assert "data-acknowledge" not in screen.get(f"{room}/now?key={key}").text
    assert screen.get(room).status_code == 401
    assert screen.get(f"{room}?key={too_much}").status_code == 403
    assert screen.get(f"/?key={key}").status_code in (401, 422)
    assert screen.get(f"/api/v1/worklist/1.2.3.1?key={key}").status_code == 401


def test_streams_end_when_the_node_stops(stage: Stage) -> None:
    async def listen() -> None:
        live = LiveUpdates(stage.services.database)
        stream = live.messages()
        await anext(stream)
        live.stop()
        async for _ in stream:
            pass

    asyncio.run(asyncio.wait_for(listen(), 5.0))


def test_the_stream_refuses_more_pages_than_the_setting_allows(stage: Stage, app: FastAPI, client: TestClient) -> None:
    settings = stage.services.settings
    web = settings.web.model_copy(update={"max_live_pages": 0})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"web": web}))

    assert client.get("/live").status_code == 503


@pytest.mark.more
def test_changes_are_told_to_every_page_whoever_made_them(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "INTERVAL_S", 0.02)
    monkeypatch.setattr(updates, "LIVE_HEARTBEAT_S", 0.3)

    async def until_still(stream: AsyncIterator[str]) -> int:
        """How often a change was told before nothing happened for a while."""
        output = 0
        while "still" not in (message := await anext(stream)):
            output += "changed" in message
        return output

    async def listen() -> list[list[int]]:
        live = LiveUpdates(stage.services.database)
        streams = [live.messages(), live.messages()]
        heard = [[await until_still(stream)] for stream in streams]
        assert live.streams == 2
        for change in (lambda: stage.add(1), claim, lambda: None):
            change()
            for stream, output in zip(streams, heard, strict=True):
                output.append(await until_still(stream))
        for stream in streams:
            await cast("AsyncGenerator[str]", stream).aclose()
        assert live.streams == 0
        return heard

    def claim() -> None:
        with stage.services.database.begin() as transaction:
            worklist.claim(transaction, "1.2.3.1", "mara", ago(0))

    for arrivals in asyncio.run(listen()):
        assert all(arrivals[:3]), "one when the page opens, one for each change"
        assert arrivals[3] == 0, "and none when nothing changed"
