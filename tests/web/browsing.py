"""A real browser for tests: pages that may ask nobody else for anything and in which nothing may go wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PATIENCE_MS = 120_000
"""A busy machine takes long over the first page; what never comes still fails."""
SCREENSHOTS = os.environ.get("MIQA_TEST_SCREENSHOTS", "")
"""Folder for pictures of the pages, for the documentation and whoever changes them; none are taken without it."""

MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed"),
    # Playwright's driver leaves its event loop to the interpreter when it ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@contextmanager
def chromium() -> Iterator[sync_api.Browser]:
    """The browser. While Playwright runs its event loop is this thread's, and no other test could run one."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def is_fault(message: sync_api.ConsoleMessage) -> bool:
    """Whether a line of the console tells of one: an image without a picture is none, a sign is drawn in its place."""
    is_picture = message.location["url"].partition("?")[0].endswith(".png")
    return message.type == "error" and not (is_picture and "404" in message.text)


@contextmanager
def watched(browser: sync_api.Browser, address: str, scheme: Literal["dark", "light"]) -> Iterator[sync_api.Page]:
    """A page that fails the test when it asks another host for something or the browser finds fault with it."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1360, "height": 900}, base_url=address)
    context.set_default_timeout(PATIENCE_MS)
    context.set_default_navigation_timeout(PATIENCE_MS)
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    page = context.new_page()
    foreign: list[str] = []
    requests: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(address) else foreign.append(request.url))
    page.on("console", lambda message: requests.append(message.text) if is_fault(message) else None)
    page.on("pageerror", lambda error: requests.append(str(error)))
    yield page
    context.close()
    assert foreign == [], foreign
    wrong = [fault for fault in requests if "ERR_INTERNET_DISCONNECTED" not in fault]
    assert wrong == [], wrong


def shoot(page: sync_api.Page, name: str) -> None:
    """Keep a picture of the whole page, if pictures are wanted."""
    if SCREENSHOTS:
        scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        file = Path(SCREENSHOTS) / f"{name}-{scheme}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=file, type="jpeg", quality=82, full_page=True)
