"""The worklist in a real browser: dense rows, and many studies worked through by keyboard only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from miqa_node.domain.finding import FindingName
from miqa_node.domain.policy import Verdict
from tests.web.axe import faults
from tests.web.browsing import MARKS, chromium, shoot, watched
from tests.web.serving import serving
from tests.web.staging import Stage

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = MARKS

MIXED = (
    (Verdict.REVIEW, FindingName.MOTION_BLUR),
    (Verdict.REJECT, FindingName.CLIPPED_ANATOMY),
    (Verdict.REVIEW, FindingName.FOREIGN_OBJECT),
    (Verdict.REJECT, FindingName.NOISE),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    web = stage.services.settings.web.model_copy(update={"page_size": 50})
    services = replace(stage.services, settings=stage.services.settings.model_copy(update={"web": web}))
    with serving(services) as address:
        yield address


@pytest.fixture
def page(browser: sync_api.Browser, request: pytest.FixtureRequest, address: str) -> Iterator[sync_api.Page]:
    with watched(browser, address, getattr(request, "param", "light")) as page:
        yield page


def add_mixed(stage: Stage, studies: int) -> None:
    for number in range(1, studies + 1):
        verdict, finding = MIXED[number % len(MIXED)]
        stage.add(number, verdict, finding, station=f"ROOM{number % 3}")


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_rows_are_dense_and_facets_narrow_the_list(stage: Stage, page: sync_api.Page) -> None:
    add_mixed(stage, 12)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/")
    sync_api.expect(page.locator("#live[data-updates]")).to_have_text("live")

    heights = page.locator("li.study").evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().height)")
    assert len(heights) == 12
    assert 36 <= min(heights) <= max(heights) <= 44
    thumb = page.locator("li.study img.thumb").first
    assert thumb.evaluate("one => one.getBoundingClientRect().width") < 44
    page.keyboard.press("j")
    page.keyboard.press("z")
    large = page.locator("li.study.peek")  # these images have no pixels, so the picture has no size to measure
    sync_api.expect(large).to_have_count(1)
    page.keyboard.press("z")
    sync_api.expect(large).to_have_count(0)
    assert faults(page) == []
    shoot(page, "worklist-dense")
    page.get_by_role("link", name="ROOM1 4", exact=True).click()
    sync_api.expect(page.locator("li.study")).to_have_count(4)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "worklist-dense-phone")


def test_shift_selects_all_rows_between(stage: Stage, page: sync_api.Page) -> None:
    add_mixed(stage, 6)
    page.goto("/")
    sync_api.expect(page.locator("#live[data-updates]")).to_have_text("live")
    boxes = page.locator("input[name=study]")

    boxes.nth(1).check()
    boxes.nth(4).click(modifiers=["Shift"])
    sync_api.expect(page.locator("#picked")).to_have_text("4 selected")
    page.locator("#select-all").check()
    sync_api.expect(page.locator("#picked")).to_have_text("6 selected")
    page.locator("#select-all").uncheck()
    sync_api.expect(page.locator("#bulk")).to_be_hidden()
    page.locator("a.open").first.focus()
    for key in ("x", "j", "j", "X"):
        page.keyboard.press(key)
    sync_api.expect(page.locator("#picked")).to_have_text("3 selected")
