"""The page over the limits of rooms: a budget, sliders, the change as a diff, and nothing before a confirmation."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.runtime.store import site_limits
from tests.features.limits.page.test_tuning import OWN, csrf, post
from tests.web.staging import Stage

PART = re.compile(r'<option value="(.*?)">')


def test_the_silent_days_of_one_body_part_end_on_the_page(stage: Stage, app: FastAPI, client: TestClient) -> None:
    settings = stage.services.settings
    policy = settings.policy.model_copy(update={"silent_days": 7})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"policy": policy}))
    with stage.services.database.begin() as transaction:
        for part, days in (("CHEST", 90), ("KNEE", 1), ("", 2)):
            site_limits.begin_part(transaction, part, datetime.now(UTC) - timedelta(days=days))
    page = client.get("/tuning").text
    assert re.findall(PART, page) == ["", "KNEE"], "the earliest end comes first"
    assert "Unknown body parts" in page
    post(client, "/tuning/silence", {"csrf": csrf(client), "body_part": "KNEE", "actor": "mara"})
    assert re.findall(PART, client.get("/tuning").text) == [""]
    assert client.post("/api/v1/limits/silence/end", json={"body_part": "HANDD", "actor": "mara"}).status_code == 404
    assert client.post("/api/v1/limits/silence/end", json={"body_part": "", "actor": "mara"}).json()["actor"] == "mara"
    again = {"csrf": csrf(client), "body_part": "", "actor": "mara"}
    for language, text in (
        ("en", "The silent days of images without a known body part were ended already."),
        ("de", "Die stillen Tage von Bildern ohne bekannte Körperregion wurden schon beendet."),
    ):
        client.cookies.set("miqa_language", language)
        assert text in client.post("/tuning/silence", data=again, headers=OWN | {"accept": "text/html"}).text
    client.cookies.delete("miqa_language")
    of_parts = {one["start"]["body_part"]: one["silent_until"] for one in client.get("/api/v1/limits/silence").json()}
    assert of_parts == {"": None, "CHEST": None, "KNEE": None}
    assert 'name="body_part"' not in client.get("/tuning").text
