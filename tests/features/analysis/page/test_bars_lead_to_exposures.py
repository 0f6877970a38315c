"""Each bar of the reject analysis opens the list of the exposures that it counts."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.drawing import Box, Drawing, Link, to_svg
from miqa_node.core.settings.log_mapping import load_mapping
from miqa_node.features.analysis.log_import import keep
from miqa_node.features.analysis.log_reader import read_log
from tests.features.analysis.page.test_analysis_pages import hospital  # noqa: F401 - a fixture
from tests.features.analysis.rows.test_analysis import RULES
from tests.web.staging import NOW, Stage

WEEK = timedelta(days=7)
LINK = re.compile(r'<a class="ink-link" href="([^"]+)" aria-label="([^"]+): show the exposures">')


def studies(page: str) -> list[str]:
    return re.findall(r"<td>ACC(\d+)</td>", page)


def every_page(client: TestClient, address: str) -> list[str]:
    """The rows of a list, page after page."""
    rows: list[str] = []
    while address:
        page = client.get(address).text
        rows += studies(page)
        onward = re.search('rel="next" href="([^"]+)"', page)
        address = html.unescape(onward[1]) if onward else ""
    return rows


def test_bars_of_rooms_and_reasons_list_what_they_count(hospital: list[Any], client: TestClient) -> None:  # noqa: F811
    page = client.get("/analysis?since=2026-11-01&until=2026-11-30").text
    links = {html.unescape(words): html.unescape(address) for address, words in LINK.findall(page)}
    assert sorted(every_page(client, links["Thorax 1"])) == ["0", "16", "20", "8"]
    assert len(every_page(client, links["<b>Casualty</b>"])) == 12, "none was rejected: all that it counts"
    assert sorted(every_page(client, links["Motion blur"])) == ["20"]
    assert sorted(every_page(client, links["Artifact(s) other than grid or detector artifact"])) == ["0", "16", "8"]
    shown = client.get(links["Motion blur"]).text
    assert "Rejected exposures of the reject analysis" in shown
    assert "Reason: Motion blur" in shown
    everything = re.search('<a href="([^"]+)">with those that were not rejected', client.get(links["Thorax 1"]).text)
    assert everything is not None
    assert len(every_page(client, html.unescape(everything[1]))) == 12


def test_a_bar_of_what_is_not_given_lists_exactly_that(hospital: list[Any], client: TestClient) -> None:  # noqa: F811
    page = client.get("/analysis?since=2026-11-01&until=2026-11-30").text
    address = next(html.unescape(one) for one, words in LINK.findall(page) if "without=operator" in one)
    assert sorted(every_page(client, address)) == ["0", "16", "20", "8"]
    assert "Operator: not given" in client.get(address).text


def test_rejects_that_only_a_log_names_lead_to_no_empty_list(
    stage: Stage,
    hospital: list[Any],  # noqa: F811
    client: TestClient,
) -> None:
    log = "Date and time,Room,Reject reason\n" + "".join(
        f"2026-11-20 22:0{number}:00,<b>Casualty</b>,{reason}\n"
        for number, reason in enumerate(("Patient motion", "Positioning"))
    )
    read = read_log(log.encode(), "generic", load_mapping("generic", None), RULES, NOW.replace(tzinfo=None) + WEEK)
    with stage.services.database.begin() as transaction:
        keep(transaction, read, "mara")
    page = client.get("/analysis?since=2026-11-01&until=2026-11-30").text
    links = {html.unescape(words): html.unescape(address) for address, words in LINK.findall(page)}
    assert "(2 of 14)" in page, "of Casualty"
    assert len(every_page(client, links["<b>Casualty</b>"])) == 12, "none was rejected here"
    assert every_page(client, links["Motion blur"]) == ["20"]
    assert "Positioning" not in links
    assert "the lists behind the bars cannot show these" in page


@pytest.mark.parametrize(
    "query", ["exposures=some", "exposures=all&without=patient", "exposures=all&ward=3", "room=a&without=room"]
)
def test_what_cannot_be_asked_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/images?{query}").status_code == 422


def test_a_column_narrows_the_list_without_more_being_said(hospital: list[Any], client: TestClient) -> None:  # noqa: F811
    days = "since=2026-11-01&until=2026-11-30"
    for query in ("room=Thorax+1", "without=operator", "shift=night", "reason=111210"):
        address = f"/images?{query}&{days}"
        assert every_page(client, address) == every_page(client, f"{address}&exposures=all"), query
    assert every_page(client, f"/images?room=Nowhere&{days}") == []
    assert "Room: Thorax 1" in client.get(f"/images?room=Thorax+1&{days}").text


def test_a_drawing_with_links_is_no_picture_for_those_who_cannot_see_it() -> None:
    plain = Drawing(10, 10, "Plain", [Box(0, 0, 5, 5, "data")])
    linked = Drawing(10, 10, "Linked", [Link(0, 0, 5, 5, "/images?a=1&b=<2>", "“A” & B")])
    assert 'role="img"' in to_svg(plain)
    assert 'role="group"' in to_svg(linked)
    assert 'href="/images?a=1&amp;b=&lt;2&gt;" aria-label="“A” &amp; B"' in to_svg(linked)
