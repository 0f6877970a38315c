"""Forms, addresses and the REST interface say in words what is wrong with a value; the value itself is not repeated."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.core.test_wrong_values import FOR_PROGRAMMERS
from tests.web.staging import Stage

WRONG = ("x y\n\x01" + "7" * 300, "-1e400", "2026-99-99T99", "[]")


def _queries(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query" and "stream" not in path:
                filled = path
                for other in operations["get"]["parameters"]:
                    if other["in"] == "path":
                        filled = filled.replace(f"{{{other['name']}}}", "1.2")
                yield filled, parameter["name"]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/?show=bogus", "The value is not one of"),
        ("/audit?since=gestern", "It is not a day; write it as 2026-12-01."),
        ("/images?modality=%01", "It may not have control characters"),
        ("/images?since=2026-13-01", "“since” is not valid. The value is not a day; write it as 2026-12-01. Go back"),
        ("/images?verdict=GOOD", "“verdict” is not valid. The value is not one of"),
        ("/analysis/reports/2026-13.pdf", "“month” is not valid. It is not a month; write it as 2026-10. Go back"),
    ],
)
def test_a_page_says_what_is_allowed(client: TestClient, address: str, says: str) -> None:
    page = client.get(address, headers={"accept": "text/html"}).text

    assert "is not valid." in page
    assert says in html.unescape(page)
    assert "not one of ''" not in html.unescape(page), "nobody wanted to leave it out"
    assert "Go back, correct it and try again." in page


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", "This page does not know “bogus” in its address. It knows modality, body_part,"),
        ("de", "Diese Seite kennt “bogus” in ihrer Adresse nicht. Sie kennt modality, body_part,"),
    ],
)
def test_an_unknown_key_of_an_address_is_named_with_the_known_ones(
    client: TestClient, language: str, says: str
) -> None:
    client.cookies.set("miqa_language", language)
    page = client.get("/?bogus=1", headers={"accept": "text/html"}).text

    assert says in page
    assert "order" in page


def test_a_browser_gets_the_errors_of_rest_in_its_language_and_programs_in_english(client: TestClient) -> None:
    """A site that speaks German does not change what its programs read."""
    for address, german, english in (
        ("/api/v1/worklist/1.2.9", "Die Untersuchung 1.2.9 steht nicht in der Arbeitsliste.", "No study 1.2.9"),
        ("/api/v1/worklist?limit=0", "Der Wert ist zu klein, mindestens 1.", "The value is too small; the least is 1."),
        ("/api/v1/nothing", "Unter dieser Adresse ist nichts.", "There is nothing at this address."),
    ):
        program = client.get(address).json()
        browser = client.get(address, headers={"cookie": "miqa_language=de", "sec-fetch-site": "same-origin"}).json()
        assert english in program["detail"]
        assert german in browser["detail"]
        assert browser["title"] == program["title"]
    assert german_errors(client)[0]["why"] == "Der Wert ist zu klein, mindestens 1."


def german_errors(client: TestClient) -> list[dict[str, str]]:
    answer = client.get("/api/v1/worklist?limit=0", headers={"cookie": "miqa_language=de"})
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


def test_a_page_says_it_in_german(client: TestClient) -> None:
    client.cookies.set("miqa_language", "de")
    page = client.get("/?show=bogus", headers={"accept": "text/html"}).text

    assert "Der Wert von “show” ist ungültig. Der Wert ist keiner von" in page
    assert "Gehen Sie zurück" in page


@pytest.mark.more
def test_every_parameter_of_the_rest_interface_says_what_it_may_be(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    refused = set()
    for path, name in _queries(document):
        for value in WRONG:
            answer = client.get(path, params={name: value})
            if answer.status_code != 422 or "errors" not in answer.json():
                continue
            refused.add((path, name))
            for one in answer.json()["errors"]:
                assert FOR_PROGRAMMERS.search(one["why"]) is None, (path, name, one)
                assert "777" not in one["why"]
    assert len(refused) > 60


@pytest.mark.more
def test_bodies_say_what_they_may_be(client: TestClient, stage: Stage) -> None:
    stage.add(1)
    document = client.get("/api/v1/openapi.json").json()
    refused = 0
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"post", "put", "patch"}:
            if "application/json" not in operations[method].get("requestBody", {}).get("content", {}):
                continue
            bodies: tuple[Any, ...] = ([], {"x": 1}, 7, {"actor": 3, "name": [], "uid": {}, "since": "x", "comment": 3})
            for body in bodies:
                answer = client.request(method, path.replace("{", "").replace("}", ""), json=body)
                for one in answer.json().get("errors") or () if answer.status_code == 422 else ():
                    refused += 1
                    assert FOR_PROGRAMMERS.search(one["why"]) is None, (path, one)
    assert refused > 40


def test_a_program_hears_which_names_there_are(client: TestClient) -> None:
    query = client.get("/api/v1/worklist?bogus=1").json()
    body = client.post("/api/v1/worklist/1.2/claim", json={"actor": "mara", "bogus": 1}).json()

    assert "query.bogus: unknown parameter bogus; known are modality, body_part," in query["detail"]
    assert "body.bogus: bogus is not known here; known are actor" in body["detail"]
