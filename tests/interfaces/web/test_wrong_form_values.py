"""Forms, addresses and the REST interface say in words what is wrong with a value; the value itself is not repeated."""

from __future__ import annotations

import html

import pytest
from fastapi.testclient import TestClient


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
