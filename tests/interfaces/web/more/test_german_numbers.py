"""Numbers on German pages: commas before decimals, and narrow spaces between thousands."""

from __future__ import annotations

import html
import re

from fastapi.testclient import TestClient

from miqa_node.core.language.catalogue import LANGUAGE
from tests.interfaces.web.test_german_numbers import english
from tests.web import hospital
from tests.web.staging import Stage

HALF_A_YEAR = f"since={hospital.LAST_DAY.replace(month=5)}&until={hospital.LAST_DAY}"


def read(page: str) -> str:
    """What people read of a page, the names of pictures included; not code."""
    page = re.sub(r"<(script|style|code|kbd)\b.*?</\1>", " ", page, flags=re.DOTALL)
    names = re.findall(r'(?:title|alt|aria-label|placeholder)="([^"]*)"', page)
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", page), *names]))


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
