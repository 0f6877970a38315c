"""Usual ranges on pages and for programs: histories, what changed, and whether a series is unusual for its scanner."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.instance import InstanceDigest
from tests.features.usual_ranges.ranges_making import FIRST_AT, fill, look, measure, noises
from tests.web.staging import Stage


@pytest.fixture
def noisy(stage: Stage) -> InstanceDigest:
    """A series with twice the noise of 25 before it; after it a series with other software."""
    database = stage.services.database
    at = fill(database, [*noises(25), *noises(15, level=15.0)])
    noisy = measure(database, 100, at, {"ct_noise": 45.0, "hu_air": -998.0})
    measure(database, 101, at, {"ct_noise": 10.0}, software_versions="V2")
    look(database)
    return noisy


def test_histories_are_listed_and_lead_to_their_ranges(client: TestClient, noisy: InstanceDigest) -> None:
    page = client.get("/ranges").text
    assert "2 histories" in page
    assert "Software Versions: V1 → V2" in page
    assert "too few series" in page
    assert "CT1" in client.get("/ranges", params={"station": "CT1"}).text
    assert "No histories yet" in client.get("/ranges", params={"station": "CT9"}).text
    [first, second] = sorted(set(re.findall(r'href="(/ranges/[0-9a-f]{16})"', page)), key=page.index)
    pages = [client.get(first).text, client.get(second).text]
    old = next(one for one in pages if ">V1<" in one)
    new = next(one for one in pages if ">V2<" in one)
    assert re.search(r"Changes of level.*2026-03-\d\d: 10\S* → 1[45]\S*", old, re.DOTALL)
    assert f'/studies/1.2.8.{100}">2026-04-11</a>' in old
    assert "A new history since 2026-04-11: Software Versions: V1 → V2" in new
    assert "1 of 20 series, 0 of 14 days" in new
    assert client.get("/ranges/0123456789abcdef").status_code == 404
    assert noisy


def test_the_page_of_a_study_says_what_is_unusual_for_the_scanner(
    stage: Stage, client: TestClient, noisy: InstanceDigest
) -> None:
    assert f'hx-get="/ranges/images/{noisy}"' in client.get("/studies/1.2.8.100").text
    note = " ".join(client.get(f"/ranges/images/{noisy}").text.split())
    assert re.search(r"Unusual for this scanner:.*.* 45\.0 .*; usual \S+ to \S+ in 39 series since 2026-03-02", note)
    usual = measure(stage.services.database, 102, FIRST_AT + timedelta(days=60), {"ct_noise": 12.0, "hu_air": -998.0})
    assert client.get(f"/ranges/images/{usual}").text == "", "not read yet"
    look(stage.services.database)
    assert "As usual for this scanner." in client.get(f"/ranges/images/{usual}").text


def test_programs_get_the_same(client: TestClient, noisy: InstanceDigest) -> None:
    histories = client.get("/api/v1/ranges").json()
    assert (histories["total"], [one["attribute"] for one in histories["changes"]]) == (2, ["Software Versions"])
    standing = client.get(f"/api/v1/ranges/images/{noisy}").json()
    [number] = standing["unusual"]
    assert (number["measurement"], number["value"], number["series"]) == ("ct_noise", 45.0, 39)
    history = client.get(f"/api/v1/ranges/{standing['baseline']['baseline']}").json()
    assert history["unusual"][0]["digest"] == noisy
    assert {one["measurement"] for one in history["baseline"]["ranges"]} == {"ct_noise", "hu_air"}
    assert client.get(f"/api/v1/ranges/images/{'0' * 64}").status_code == 404
    assert client.get("/api/v1/ranges/xyz").status_code == 422


def test_scanners_that_only_their_hospitals_tell_apart_do_not_look_alike(stage: Stage, client: TestClient) -> None:
    database = stage.services.database
    for number, authority in enumerate(("NORTH", "SOUTH", "NORTH")):
        measure(
            database, number, FIRST_AT + timedelta(days=number), {"ct_noise": 10.0}, authority=authority, detector_id=""
        )
    measure(database, 9, FIRST_AT, {"ct_noise": 10.0}, detector_id="SN9")
    look(database)
    listed = client.get("/ranges").text
    assert [listed.count(f'CT1</a> <span class="unit">{which}</span>') for which in ("NORTH", "SOUTH", "SN9")] == [
        1
    ] * 3
    items = client.get("/api/v1/ranges").json()["items"]
    assert {one["scanner"]["authority"]: one["series"] for one in items} == {"NORTH": 2, "SOUTH": 1, "": 1}
    north = next(one["baseline"] for one in items if one["scanner"]["authority"] == "NORTH")
    page = client.get(f"/ranges/{north}").text
    assert "<dt>Authority</dt><dd>NORTH</dd>" in page
