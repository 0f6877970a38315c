"""Every image can be found: by day, by verdict, and by how a name or number begins."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from miqa_node.domain.policy import Verdict
from tests.web.staging import Stage


def found(client: TestClient, query: str = "") -> list[str]:
    return re.findall(r"<td>(ACC\d+)</td>", client.get(f"/images{query}").text)


def test_accepted_and_unassessed_images_are_listed_with_counts(stage: Stage, client: TestClient) -> None:
    now = datetime.now(UTC)
    stage.add(1, Verdict.ACCEPT, at=now - timedelta(minutes=1))
    stage.add(2, Verdict.NOT_ASSESSED, at=now - timedelta(minutes=2))
    stage.add(3, Verdict.REJECT, at=now - timedelta(minutes=3))
    stage.add(4, Verdict.ACCEPT, at=now - timedelta(days=30))

    assert found(client) == ["ACC1", "ACC2", "ACC3"]
    assert found(client, "?verdict=ACCEPT") == ["ACC1"]
    assert found(client, "?verdict=NOT_ASSESSED") == ["ACC2"]
    old = (now - timedelta(days=30)).date()
    assert found(client, f"?since={old}&until={old}") == ["ACC4"]
    page = client.get("/images").text
    assert "All <span>3</span>" in page
    assert 'loading="lazy"' in page
    worklist = client.get("/").text
    assert "/images?verdict=ACCEPT" in worklist


def test_pages_go_on_where_the_last_one_ended(stage: Stage, client: TestClient) -> None:
    now = datetime.now(UTC)
    for number in range(1, 8):
        stage.add(number, Verdict.ACCEPT, at=now - timedelta(minutes=number))

    rows, address = [], ""
    while True:
        page = client.get(f"/images{address}").text
        rows += re.findall(r"<td>(ACC\d+)</td>", page)
        further = re.search(r'rel="next" href="/images(.*?)"', page)
        if further is None:
            break
        address = further[1].replace("&amp;", "&")
    assert rows == [f"ACC{number}" for number in range(1, 8)]


@pytest.mark.parametrize("text", ["must", "MUSTER", "pid1", "acc1", "room", "1.2.3.1"])
def test_search_ignores_case_and_takes_the_beginning(stage: Stage, client: TestClient, text: str) -> None:
    stage.add(1, Verdict.REVIEW, at=datetime.now(UTC) - timedelta(minutes=1))

    assert found(client, f"?search={text}") == ["ACC1"]
    assert "1 of 1" in client.get(f"/?search={text}").text


@pytest.mark.parametrize("text", ["uster", "id1", "%", "_cc1", "x"])
def test_search_finds_nothing_else(stage: Stage, client: TestClient, text: str) -> None:
    stage.add(1, Verdict.REVIEW, at=datetime.now(UTC) - timedelta(minutes=1))

    assert client.get("/images", params={"search": text}).text.count("<td>ACC1</td>") == 0
    assert "No study matches" in client.get("/", params={"search": text}).text
    assert client.get("/api/v1/worklist", params={"search": text}).json()["total"] == 0


def test_the_same_search_over_rest(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.REVIEW)
    assert client.get("/api/v1/worklist?search=muster").json()["total"] == 1
