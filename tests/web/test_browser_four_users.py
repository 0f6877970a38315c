"""The ways of the four who use the pages, with what each costs: rows on the first screen, keys, and pages that load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.stages.deliver.rows import deliveries
from tests.web import hospital
from tests.web.axe import faults
from tests.web.browsing import MARKS, watched
from tests.web.people import PASSWORD, add_account
from tests.web.serving import serving_phantoms
from tests.web.staging import Stage, staging

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS, pytest.mark.timeout(600)]

PEOPLE = {"tom": Role.REVIEWER, "phyllis": Role.REVIEWER, "ada": Role.ADMIN, "rosa": Role.VIEWER}
"""Technologist, physicist, administrator and researcher."""
ROWS = """(row) => {
  const rows = [...document.querySelectorAll(row)].map((one) => one.getBoundingClientRect());
  return { first: rows[0].top, whole: rows.filter((one) => one.bottom <= innerHeight).length };
}"""


@dataclass
class Walk:
    """The way of a person: what was pressed, and how many pages loaded."""

    page: sync_api.Page
    keys: int = 0
    loads: int = 0

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.keys += 1
            self.page.keyboard.press(key)

    def rows(self, selector: str) -> tuple[float, int]:
        """Where the first row of a list begins, in pixels from the top, and how many are whole on the first screen."""
        rows = self.page.evaluate(ROWS, selector)
        return rows["first"], rows["whole"]

    def count(self, _page: Any) -> None:
        """A page has loaded."""
        self.loads += 1


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with staging(tmp_path_factory.mktemp("node"), page_size=25) as stage:
        fill(stage)
        with serving_phantoms(stage, 832, 1024) as address:
            yield address


def fill(stage: Stage) -> None:
    """Half a year of a hospital, a morning's flagged studies, and nothing that alarms."""
    hospital.fill(stage)
    now = datetime.now(UTC)
    names = (FindingName.CLIPPED_ANATOMY, FindingName.FOREIGN_OBJECT, FindingName.NOISE, FindingName.MOTION_BLUR)
    for number in range(101, 130):
        verdict = (Verdict.REJECT, Verdict.REVIEW)[number % 2]
        stage.add(number, verdict, names[number % 4], station=f"ROOM{number % 3}", at=now - timedelta(minutes=number))
    with stage.services.database.begin() as transaction:
        waiting = deliveries.claim(transaction, "PACS", 999, now, 60)
        deliveries.sent(transaction, [one.delivery_id for one in waiting], now)
    for name, role in PEOPLE.items():
        add_account(stage, name, role)


@contextmanager
def walking(browser: sync_api.Browser, address: str, name: str, start: str) -> Iterator[Walk]:
    """Somebody who has signed in and opens a page; what came before does not count."""
    with watched(browser, address, "light") as page:
        page.set_viewport_size({"width": 1440, "height": 900})
        sign_in(page, name)
        walk = Walk(page)
        page.on("load", walk.count)
        page.goto(start)
        yield walk


def sign_in(page: sync_api.Page, name: str) -> None:
    """Until the worklist is there."""
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("/")
    page.wait_for_load_state()


def test_a_technologist_decides_three_studies(browser: sync_api.Browser, address: str) -> None:
    with walking(browser, address, "tom", "/") as walk:
        page, expect = walk.page, sync_api.expect
        expect(page.locator("#live")).to_have_text("live")
        first, whole = walk.rows("li.study")
        assert first <= 200
        assert whole >= 17
        walk.press("j", "Enter")
        page.wait_for_selector("[data-viewer][data-ready]")
        walk.press("e")
        for key in ("d", "a", "t"):
            here = page.url
            walk.press(key)
            page.wait_for_function("here => location.href !== here", arg=here)
            page.wait_for_selector("[data-viewer][data-ready]")
            expect(page.get_by_role("button", name="Undo")).to_be_visible()
        assert (walk.keys, walk.loads) == (6, 2), "one key a study, and none of them loads a page"
        assert faults(page) == []
        walk.press("b")
        page.wait_for_url("/")
        assert walk.loads == 3


def test_a_decision_that_is_refused_says_why(browser: sync_api.Browser, address: str) -> None:
    context = browser.new_context(base_url=address)  # a refusal stands in the console, where `watched` finds it
    page, expect = context.new_page(), sync_api.expect
    sign_in(page, "tom")
    study = page.locator("a.open").first.get_attribute("href")
    page.goto(f"{study}")
    page.wait_for_selector("[data-viewer][data-ready]")
    with context.new_page() as other:
        other.goto(f"{study}")
        other.get_by_role("button", name="Accept").click()
        expect(other.get_by_role("button", name="Undo")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("heading", name="Conflict")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("it was decided")
    context.close()


def test_a_physicist_goes_from_a_bar_to_its_exposures(browser: sync_api.Browser, address: str) -> None:
    with walking(browser, address, "phyllis", "/analysis") as walk:
        page = walk.page
        assert faults(page) == []
        page.get_by_role("link", name="Casualty: show the exposures", exact=True).click()
        page.wait_for_url("**/images?**")
        page.wait_for_load_state()
        sync_api.expect(page.get_by_role("status").first).to_contain_text("Room: Casualty")
        first, whole = walk.rows("table.rows tbody tr")
        assert first <= 330, "below filter, what is listed, verdicts and head of the table"
        assert whole >= 14
        assert walk.loads == 2
        assert faults(page) == []
        page.get_by_role("link", name="Analysis").click()
        page.wait_for_url("**/analysis")  # a click before it has loaded would end its loading
        page.get_by_role("link", name="Model watch").click()
        page.wait_for_url("**/analysis/model")
        page.wait_for_load_state()
        assert (walk.keys, walk.loads) == (0, 4)


def test_an_administrator_lets_somebody_in_and_looks_at_operations(browser: sync_api.Browser, address: str) -> None:
    with walking(browser, address, "ada", "/people") as walk:
        page = walk.page
        first, whole = walk.rows("main ul.people > li, main li[id]")
        assert first <= 420
        assert whole >= 4
        page.get_by_label("Name", exact=True).click()
        walk.press(*"mara", "Tab", "r", "Tab", "Enter")
        sync_api.expect(page.get_by_role("status")).to_contain_text("Give this link to mara")
        assert walk.keys == 8
        assert faults(page) == []
        before = walk.loads
        page.get_by_role("link", name="Operations").click()
        page.wait_for_url("**/operations")
        page.wait_for_load_state()
        assert walk.loads == before + 1
        sync_api.expect(page.get_by_role("heading", name="Destinations")).to_be_visible()
        assert faults(page) == []


def test_a_researcher_finds_labels_and_takes_them_away(browser: sync_api.Browser, address: str) -> None:
    with walking(browser, address, "rosa", "/") as walk:
        page = walk.page
        assert page.get_by_role("button", name="Claim").count() == 0, "a viewer changes nothing"
        page.get_by_role("link", name="Analysis").click()
        page.wait_for_url("**/analysis")  # a click before it has loaded would end its loading
        page.get_by_role("link", name="Labels").click()
        page.wait_for_url("**/analysis/labels")
        page.wait_for_load_state()
        assert (walk.keys, walk.loads) == (0, 3)
        sync_api.expect(page.get_by_role("heading", name="Agreement of model and people")).to_be_visible()
        assert faults(page) == []
        page.get_by_role("link", name="Rejects").click()
        with page.expect_download() as got:
            page.get_by_role("link", name="Download as CSV").click()
        assert got.value.suggested_filename.endswith(".csv")
        assert walk.loads == 4, "a download loads no page"


def test_without_scripts_a_phone_shows_what_was_found_and_takes_a_comment(
    tmp_path: Path, browser: sync_api.Browser
) -> None:
    with staging(tmp_path, page_size=3) as stage:
        stage.add(1)
        with serving_phantoms(stage, 400, 500) as address:
            context = browser.new_context(
                base_url=address, java_script_enabled=False, viewport={"width": 390, "height": 844}
            )
            page, expect = context.new_page(), sync_api.expect
            page.goto("/studies/1.2.3.1")
            expect(page.locator(".said .advice")).to_be_visible()
            talk = page.locator("form.talk").first
            talk.get_by_label("Said by").fill("Mara")
            talk.get_by_label("For colleagues, without a decision").fill("Asked the ward.")
            talk.get_by_role("button", name="Add comment").click()
            expect(page.locator("#comments")).to_contain_text("Asked the ward.")
            context.close()


def test_an_undo_has_the_name_of_whoever_undoes(tmp_path: Path, browser: sync_api.Browser) -> None:
    with staging(tmp_path, page_size=3) as stage:
        stage.add(1)
        with serving_phantoms(stage, 400, 500) as address:
            anna, bert = (browser.new_context(base_url=address) for _ in range(2))
            page, other = anna.new_page(), bert.new_page()
            page.goto("/studies/1.2.3.1")
            page.get_by_label("Your name").fill("Anna")
            page.get_by_role("button", name="Accept").click()
            sync_api.expect(page.get_by_role("button", name="Undo")).to_be_visible()
            other.goto("/studies/1.2.3.1")
            other.get_by_label("Said by").fill("Bert")
            other.get_by_label("For colleagues, without a decision").fill("No, look again.")
            other.get_by_role("button", name="Add comment").click()
            sync_api.expect(other.locator("#comments li")).to_have_count(1)
            other.get_by_role("button", name="Undo").click()
            sync_api.expect(other.locator("ol.events").last).to_contain_text("by Bert: “Undone”")
            anna.close()
            bert.close()
