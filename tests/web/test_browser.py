"""The pages in a real browser: what people see, and that nothing is asked of anybody else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.domain.finding import FindingName
from miqa_node.domain.policy import Verdict
from miqa_node.settings import load_settings
from miqa_node.web.app import create_app
from miqa_node.web.server import WebServer

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SCREENSHOTS = os.environ.get("MIQA_TEST_SCREENSHOTS", "")
"""Folder for pictures of the pages, for whoever changes them; none are taken without it."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed"),
    # Playwright's driver leaves its event loop to the interpreter when it ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="session")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(stage) -> Iterator[str]:
    server = WebServer(create_app(stage.services), load_settings(web={"port": 0}).web)
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture(params=["light", "dark"])
def page(browser: sync_api.Browser, request: pytest.FixtureRequest, address: str) -> Iterator[sync_api.Page]:
    """A page that fails the test when it asks another host for something or the browser finds fault with it."""
    context = browser.new_context(color_scheme=request.param, viewport={"width": 1360, "height": 900}, base_url=address)
    page = context.new_page()
    foreign: list[str] = []
    faults: list[str] = []
    page.on("request", lambda asked: None if asked.url.startswith(address) else foreign.append(asked.url))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert foreign == []
    assert faults == []


def test_the_worklist_shows_a_flagged_study_with_its_picture(stage, page: sync_api.Page) -> None:
    _, digest = stage.add(1, Verdict.REVIEW, FindingName.CLIPPED_ANATOMY)
    stage.add(2, Verdict.REJECT, FindingName.MOTION_BLUR)
    stage.add(3, Verdict.ACCEPT)

    page.goto("/")

    study = page.locator(".study.review")
    picture = study.locator("img.thumb")
    sync_api.expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 208
    assert digest in (picture.get_attribute("src") or "")
    sync_api.expect(study).to_contain_text("Clipped anatomy")
    sync_api.expect(study.locator(".verdict")).to_have_text("REVIEW")
    assert page.locator(".study").count() == 2
    assert page.title() == "Worklist · miqa-node"
    _shoot(page, "worklist")


def test_a_person_claims_and_resolves_a_study(stage, page: sync_api.Page) -> None:
    stage.add(1)

    page.goto("/")
    page.get_by_role("link", name="DX · CHEST · PA").click()
    page.get_by_label("Your name").fill("mara")
    page.get_by_role("button", name="Claim").click()
    sync_api.expect(page.locator(".state")).to_have_text("Claimed by mara")
    _shoot(page, "study")
    page.get_by_label("Comment").fill("patient moved")
    page.get_by_role("button", name="Retaken").click()

    sync_api.expect(page.locator(".state")).to_have_text("Resolved: retaken")
    sync_api.expect(page.locator(".events")).to_contain_text("patient moved")
    page.goto("/")
    sync_api.expect(page.get_by_text("Nothing needs attention")).to_be_visible()


def test_the_page_fits_a_narrow_screen(stage, page: sync_api.Page) -> None:
    stage.add(1)
    page.set_viewport_size({"width": 390, "height": 800})

    for path in ("/", "/studies/1.2.3.1"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def _shoot(page: sync_api.Page, name: str) -> None:
    if SCREENSHOTS:
        scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{scheme}.png", full_page=True)
