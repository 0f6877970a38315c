"""What the pages say; how they look is for test_browser.py."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from miqa_node.domain.policy import Verdict
from tests.web.staging import csrf


def test_the_worklist_shows_thumbnail_verdict_reasons_and_state(stage, client: TestClient) -> None:
    study, digest = stage.add(1)

    page = client.get("/").text

    assert f'src="/previews/{digest}.png"' in page
    assert ">REJECT</span>" in page
    assert "Motion blur: probability 0.97, severity 0.60" in page
    assert ">Open</span>" in page
    assert f'href="/studies/{study}"' in page


def test_no_patient_name_anywhere_and_no_patient_in_titles_or_addresses(stage, client: TestClient) -> None:
    stage.add(1)

    for path in ("/", "/studies/1.2.3.1"):
        page = client.get(path).text
        assert "Muster" not in page
        title = re.search("<title>(.*)</title>", page)
        assert title is not None
        assert "PID1" not in title[1]
        assert not [address for address in re.findall(r'(?:href|src|action)="([^"]*)"', page) if "PID1" in address]


def test_pages_ask_nobody_else_for_anything(stage, client: TestClient) -> None:
    stage.add(1)

    for path in ("/", "/studies/1.2.3.1"):
        addresses = re.findall(r'(?:href|src|action|formaction)="([^"]*)"', client.get(path).text)
        assert addresses
        assert [address for address in addresses if not address.startswith(("/", "#"))] == []


def test_what_others_wrote_is_escaped(stage, client: TestClient) -> None:
    stage.add(1, station="<script>alert(1)</script>", text="<img src=x onerror=alert(1)>")

    for path in ("/", "/studies/1.2.3.1", '/?station="><script>alert(1)</script>'):
        page = client.get(path).text
        assert "<script>" not in page
        assert "<img src=x" not in page


def test_an_empty_worklist_says_so(client: TestClient) -> None:
    assert "Nothing needs attention" in client.get("/").text
    assert "No study matches this filter" in client.get("/?modality=CT").text


def test_filter_and_pages(stage, client: TestClient) -> None:
    for number in range(1, 6):
        stage.add(number, Verdict.REVIEW if number % 2 else Verdict.REJECT)

    first = client.get("/").text
    rejected = client.get("/?show=unresolved&verdict=REJECT&reason=&modality=&station=&accession_number=").text

    assert "1–3 of 5" in first
    assert 'rel="next" href="/?show=unresolved&amp;page=2"' in first
    assert "4–5 of 5" in client.get("/?page=2").text
    assert "1–2 of 2" in rejected
    assert "REVIEW</span>" not in rejected


@pytest.mark.parametrize("reason", ["motion_blur", "inverted_look", "grid_peak"])
def test_the_filter_keeps_what_was_chosen_also_when_it_is_on_no_list(client: TestClient, reason: str) -> None:
    page = client.get(f"/?reason={reason}&verdict=REJECT").text

    assert re.findall(r'<option value="(\w+)" selected>', page) == ["unresolved", "REJECT", reason]


def test_a_page_that_does_not_exist_is_a_page_for_people(client: TestClient) -> None:
    answer = client.get("/studies/1.9", headers={"accept": "text/html"})

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Nothing was received" in answer.text


def test_a_node_that_is_not_ready_says_why_on_the_first_page(stage, client: TestClient) -> None:
    stage.not_ready.append("The disk is full.")

    assert "The disk is full." in client.get("/").text


def test_the_study_shows_findings_measurements_and_deliveries(stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2, Verdict.ACCEPT, study=1)

    page = client.get("/studies/1.2.3.1").text

    for text in ("Motion blur", "Edge slope", "mm", "PACS", "Queued", "MODALITY at 10.0.0.7", "111210 DCM"):
        assert text in page
    assert page.index(">REJECT</span>") < page.index(">ACCEPT</span>"), "the worst image comes first"


def test_a_study_that_is_not_flagged_has_a_page_without_buttons(stage, client: TestClient) -> None:
    stage.add(1, Verdict.ACCEPT)

    page = client.get("/studies/1.2.3.1").text

    assert ">ACCEPT</span>" in page
    assert "<form" not in page


@pytest.mark.parametrize(
    ("action", "form", "state"),
    [
        ("claim", {}, "Claimed by mara"),
        ("release", {}, "Open"),
        ("resolve", {"resolution": "dismissed", "comment": "fine"}, "Resolved: dismissed"),
    ],
)
def test_buttons(stage, client: TestClient, action: str, form: dict[str, str], state: str) -> None:
    stage.add(1)
    own = {"origin": "http://localhost:8080"}
    mara = {"actor": "mara", "csrf": csrf(client)}
    client.post("/studies/1.2.3.1/claim", data=mara, headers=own)

    answer = client.post(f"/studies/1.2.3.1/{action}", data={**mara, **form}, headers=own)

    assert (answer.status_code, answer.headers["location"]) == (303, "/studies/1.2.3.1")
    page = client.get("/studies/1.2.3.1").text
    assert f">{state}</span>" in page
    assert "by mara" in page


def test_preview(stage, client: TestClient) -> None:
    _, digest = stage.add(1)

    answer = client.get(f"/previews/{digest}.png")

    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["cache-control"].startswith("private")
    assert client.get(f"/previews/{'0' * 64}.png").status_code == 404
    assert client.get("/previews/..%2F..%2Fmiqa.sqlite.png").status_code in (404, 422)
