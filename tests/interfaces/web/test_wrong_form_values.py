"""Forms, addresses and the REST interface say in words what is wrong with a value; the value itself is not repeated."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.core.test_wrong_values import FOR_PROGRAMMERS
from tests.web.staging import Stage


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


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/?show=bogus", "The value is not one of"),
        ("/audit?since=gestern", "It is not a day; write it as 2026-12-01."),
        ("/images?modality=%01", "It may not have control characters"),
    ],
)
def test_a_page_says_what_is_allowed(client: TestClient, address: str, says: str) -> None:
    page = client.get(address, headers={"accept": "text/html"}).text

    assert "is not valid." in page
    assert says in page
    assert "Go back, correct it and try again." in page


def test_a_page_says_it_in_german(client: TestClient) -> None:
    client.cookies.set("miqa_language", "de")
    page = client.get("/?show=bogus", headers={"accept": "text/html"}).text

    assert "Der Wert von “show” ist ungültig. Der Wert ist keiner von" in page
    assert "Gehen Sie zurück" in page
