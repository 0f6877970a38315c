"""Forms, addresses and the REST interface say in words what is wrong with a value; the value itself is not repeated."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient


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
