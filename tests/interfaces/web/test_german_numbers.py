"""Numbers on German pages: commas before decimals, and narrow spaces between thousands."""

from __future__ import annotations

import html
import re

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.language.catalogue import LANGUAGE, numerals
from miqa_node.core.words.formats import figures, whole
from tests.web import hospital
from tests.web.staging import Stage

HALF_A_YEAR = f"since={hospital.LAST_DAY.replace(month=5)}&until={hospital.LAST_DAY}"


def english(text: str) -> list[str]:
    """Decimals that are not written as in German."""
    return [a for a, b in zip(text.split(), numerals(text).split(), strict=True) if a != b]


def read(page: str) -> str:
    """What people read of a page, the names of pictures included; not code."""
    page = re.sub(r"<(script|style|code|kbd)\b.*?</\1>", " ", page, flags=re.DOTALL)
    names = re.findall(r'(?:title|alt|aria-label|placeholder)="([^"]*)"', page)
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", page), *names]))


def test_thousands_are_apart_in_both_languages() -> None:
    assert (whole(1374), figures(1235000.0)) == ("1,374", "1,235,000")
    context = LANGUAGE.set("de")
    try:
        assert (whole(1374), figures(1235000.0), figures(0.25)) == ("1\u202f374", "1\u202f235\u202f000", "0,25")
        assert english("1 of 2.5") == ["2.5"]
        assert english("1\u202f374 von 2,5, quality 0.6.0") == []
    finally:
        LANGUAGE.reset(context)


@pytest.mark.more
def test_every_number_of_german_pages_is_german(stage: Stage, client: TestClient) -> None:
    hospital.fill(stage)
    client.cookies.set("miqa_language", "de")
    addresses = [f"{path}?{HALF_A_YEAR}" for path in ("/analysis", "/analysis/model", "/analysis/labels")]
    wrong: list[tuple[str, str]] = []
    context = LANGUAGE.set("de")
    try:
        for address in (*addresses, "/", "/images", "/operations", "/tuning", "/studies/1.2.3.1"):
            text = read(client.get(address).text)
            wrong += [(address, number) for number in english(text)]
            assert len(text.split()) > 40, address
        model = read(client.get(addresses[1]).text)
        assert re.search(r"κ \d,\d\d", model)
        assert wrong == []
    finally:
        LANGUAGE.reset(context)
