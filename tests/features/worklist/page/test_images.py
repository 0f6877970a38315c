"""Every image can be found: by day, by verdict, and by how a name or number begins."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.verdict import Verdict
from tests.web.staging import Stage, stack


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


def stacked(stage: Stage, numbers: range, uid: str = "1.2.3.77") -> None:
    """Slices of one CT series, a minute apart; its newest judgement rejects it."""
    for number in numbers:
        verdict = Verdict.REJECT if number == numbers[-1] else Verdict.NOT_ASSESSED
        stage.add(number, verdict, study=numbers[0], at=datetime.now(UTC) - timedelta(minutes=90 - number))
    with stage.services.database.begin() as transaction:
        stack(transaction, f"1.2.3.{numbers[0]}", uid)


def test_a_series_is_one_row_with_its_slices_and_newest_verdict(stage: Stage, client: TestClient) -> None:
    stage.add(1, Verdict.ACCEPT, at=datetime.now(UTC) - timedelta(minutes=89))
    stage.add(2, Verdict.ACCEPT, at=datetime.now(UTC) - timedelta(minutes=20))
    stacked(stage, range(3, 60))

    page = client.get("/images").text
    assert re.findall('<th scope="row"><a href="/studies/1.2.3.([0-9]+)[?]from=images">', page) == ["2", "3", "1"]
    assert "57 slices" in page
    of_series = page.partition("/studies/1.2.3.3")[0].rpartition("<tr>")[2]
    assert "Rejected" in of_series, "the newest"
    opened = re.search('<a class="unit" href="([^"]+)"', page)
    assert opened is not None
    slices = client.get(html.unescape(opened[1])).text
    assert slices.count('<th scope="row">') == 3, "a page of single slices"
    assert "Older" in slices


def test_the_next_page_has_no_series_of_this_one(stage: Stage, client: TestClient) -> None:
    stacked(stage, range(3, 60, 2))  # between its slices others arrive
    for number in range(4, 30, 2):
        stage.add(number, Verdict.ACCEPT, at=datetime.now(UTC) - timedelta(minutes=90 - number))
    studies: list[str] = []
    address = "/images"
    while address:
        page = client.get(address).text
        studies += re.findall('<th scope="row"><a href="/studies/1.2.3.([0-9]+)[?]from=images">', page)
        onward = re.search('rel="next" href="([^"]+)"', page)
        address = html.unescape(onward[1]) if onward else ""
    assert studies == ["3", *map(str, range(28, 3, -2))]
