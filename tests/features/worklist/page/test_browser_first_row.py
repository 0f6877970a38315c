"""The worklist in a browser: what to work from stands at the top, and a decision keeps the page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from miqa_node.stages.deliver.rows import deliveries
from tests.web.axe import faults
from tests.web.browsing import MARKS, watched
from tests.web.serving import serving_phantoms
from tests.web.staging import Stage, staging

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]
FIRST_ROW_PX, ROWS = 200, 17
"""Where the first row begins at most, and how many are whole, at 1440 × 900 without banners."""
LOOK = """() => {
  const rows = [...document.querySelectorAll("li.study")].map(row => row.getBoundingClientRect());
  const words = [...document.querySelectorAll(".list-head *, .list-tools *, .list-line *, li.study *")];
  const folded = ".away, details:not([open]) > :not(summary)";
  const shown = words.filter(one => one.checkVisibility() && !one.closest(folded));
  const own = shown.filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  const targets = shown.filter(one => one.matches("button, select, input, summary, a:not([tabindex='-1'])"));
  const label = (one) => (one.matches("[type=checkbox]") ? one.closest("label") : one).getBoundingClientRect();
  return { first: rows[0].top, whole: rows.filter(row => row.bottom <= innerHeight).length,
           small: own.filter(one => parseFloat(getComputedStyle(one).fontSize) < 13).map(one => one.outerHTML),
           narrow: targets.filter(one => label(one).height < 24).map(one => one.outerHTML),
           wide: document.documentElement.scrollWidth };
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with staging(tmp_path_factory.mktemp("node"), page_size=25) as stage:
        fill(stage)
        with serving_phantoms(stage, 832, 1024) as address:
            yield address


def fill(stage: Stage) -> None:
    """A day's flagged studies, one of them with three findings in four images."""
    now = datetime.now(UTC)
    names = (FindingName.CLIPPED_ANATOMY, FindingName.FOREIGN_OBJECT, FindingName.NOISE, FindingName.MOTION_BLUR)
    for number in range(101, 130):
        verdict = (Verdict.REJECT, Verdict.REVIEW)[number % 2]
        stage.add(number, verdict, names[number % 4], station=f"ROOM{number % 3}", at=now - timedelta(minutes=number))
    for number, name in enumerate((*names, FindingName.NOISE), 201):
        stage.add(number, Verdict.REVIEW, name, study=101, at=now - timedelta(minutes=12))
    with stage.services.database.begin() as transaction:  # nothing waits, so no banner stands above the list
        waiting = deliveries.claim(transaction, "PACS", 999, now, 60)
        deliveries.sent(transaction, [one.delivery_id for one in waiting], now)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_begins_at_the_top(browser: Any, address: str, language: str, scheme: Any) -> None:
    with watched(browser, address, scheme) as page:
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto("/")
        look = page.evaluate(LOOK)
        assert page.locator(".alarms").count() == 0
        assert look["first"] <= FIRST_ROW_PX
        assert look["whole"] >= ROWS
        assert (look["small"], look["narrow"]) == ([], [])
        assert faults(page) == []
        for width in (1024, 390):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate(LOOK)["wide"] <= width
            assert faults(page) == []


def test_a_row_says_how_long_ago_and_each_finding_once(browser: Any, address: str) -> None:
    with watched(browser, address, "light") as page:
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto("/")
        row = page.locator("[data-study='1.2.3.101']")
        sync_api.expect(row.locator(".age time")).to_have_text("1 h")
        assert (row.locator(".age time").get_attribute("title") or "").startswith("202")
        chips = row.locator(".reasons li").all_inner_texts()
        assert len(chips) == len(set(chips)) == 4
        assert "Noise × 2" in chips
        heights = page.evaluate("[...document.querySelectorAll('li.study')].map(row => row.offsetHeight)")
        assert len(set(heights)) == 1, "chips do not break the row"


def test_decisions_keep_the_page(browser: Any, tmp_path: Any) -> None:
    with staging(tmp_path, page_size=25) as stage:
        for number in range(1, 5):
            stage.add(number)
        with serving_phantoms(stage, 832, 1024) as address, watched(browser, address, "light") as page:
            page.goto("/")
            sync_api.expect(page.locator("#live")).to_have_text("live")
            page.evaluate("window.kept = true")
            page.keyboard.press("j")
            page.keyboard.press("d")
            page.get_by_label("Your name").fill("mara")
            page.keyboard.press("Escape")
            page.keyboard.press("d")
            page.locator("#outcome").get_by_role("button", name="Dismiss").click()
            sync_api.expect(page.locator("#outcome h1")).to_have_text("1 study: dismissed")
            sync_api.expect(page.locator("li.study")).to_have_count(3)
            page.get_by_role("link", name="Back to the list").click()
            sync_api.expect(page.locator("#outcome")).to_be_empty()
            assert page.evaluate("window.kept") is True

            page.locator("li.study a.open").first.click()
            page.wait_for_selector("[data-ready]")
            page.evaluate("window.kept = true")
            first = page.url
            page.locator("input[name=onward]").check()
            page.get_by_label("Your name").fill("mara")
            page.locator("body").press("Escape")
            page.get_by_role("button", name="Retake requested").click()
            page.wait_for_function("address => location.href !== address", arg=first)
            page.wait_for_selector("[data-viewer][data-ready]")
            sync_api.expect(page.get_by_role("button", name="Undo")).to_be_visible()
            assert page.evaluate("window.kept") is True
            page.keyboard.press("i")
            sync_api.expect(page.locator("main").get_by_role("button", name="Invert")).to_have_attribute(
                "aria-pressed", "true"
            )
            page.go_back()
            page.wait_for_url(first)
            sync_api.expect(page.locator(".state")).to_have_text("Resolved: retake requested")
