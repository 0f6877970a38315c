"""Time from a decision to the next study on the screen, in Chromium: python -m benchmarks.next_study --against COMMIT.

Two checkouts, this one and another commit, each serve the same studies from a process of their own; a browser decides
in them in turns, so that what else the machine does meets both alike. A study is on the screen when its viewer has
drawn the image.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import describe, keep, quantiles

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
SERVE = """
import sys
from pathlib import Path
from tests.web.serving import serving_phantoms
from tests.web.staging import staging

with staging(Path(sys.argv[1]), page_size=25) as stage:
    for number in range(1, int(sys.argv[2]) + 1):
        stage.add(number)
    with serving_phantoms(stage, 2000, 2400) as address:
        print(address, flush=True)
        sys.stdin.read()
"""
WARM = 2
"""Decisions before those that count: the first ones read files that the others find in memory."""
BATCH = 5
"""Decisions in one checkout before it is the turn of the other."""


def main() -> None:
    """Measure, and keep or print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", required=True, help="a commit")
    parser.add_argument("--decisions", type=int, default=20, help="in each checkout")
    parser.add_argument("--dry-run", action="store_true", help="print the result and keep nothing")
    arguments = parser.parse_args()
    machine = describe()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trees = {"before": _checkout(arguments.against, folder / "before"), "now": ROOT}
        count = arguments.decisions + WARM + 1
        pages = {}
        browser = stack.enter_context(_chromium())
        for name, tree in trees.items():
            address = stack.enter_context(_served(tree, folder / f"node of {name}", count))
            pages[name] = _first_study(browser, address)
        times: dict[str, list[float]] = {name: [] for name in trees}
        for page in pages.values():
            for _ in range(WARM):
                _decide(page)
        while len(times["now"]) < arguments.decisions:
            for name, page in pages.items():
                number = min(BATCH, arguments.decisions - len(times[name]))
                times[name] += [_decide(page) for _ in range(number)]
    result = {"against": arguments.against, **{name: quantiles(seconds) for name, seconds in times.items()}}
    if arguments.dry_run:
        print(result)
    else:
        keep("next_study", machine, result)


def _checkout(commit: str, folder: Path) -> Path:
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@contextmanager
def _served(tree: Path, data: Path, studies: int) -> Iterator[str]:
    """The address of a process that serves studies with the code of a checkout."""
    data.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(data), str(studies)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = next((line.strip() for line in process.stdout if line.startswith("http")), "")
        if not address:
            raise SystemExit(f"The checkout in {tree} does not serve its pages.")
        yield address
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - others need no browser

    from tests.web.browsing import CHROMIUM  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _first_study(browser: Browser, address: str) -> Page:
    """A page with the first study of the list, that shows the next one after each decision."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address).new_page()
    page.set_default_timeout(60_000)
    page.goto("/")
    page.locator("li.study a.open").first.click()
    page.wait_for_selector("[data-viewer][data-ready]")
    page.get_by_label("Your name").fill("mara")
    page.locator("input[name=onward]").check()
    return page


def _decide(page: Page) -> float:
    """Seconds from the click to the next study, drawn."""
    before = page.url.partition("?")[0]
    page.wait_for_selector("[data-viewer][data-ready]")
    began = time.perf_counter()
    page.locator("[name=resolution][value=dismissed]").click()
    page.wait_for_function(
        "before => !location.href.startsWith(before) && document.querySelector('[data-viewer][data-ready]')",
        arg=f"{before}?",
    )
    took = time.perf_counter() - began
    if not page.locator("input[name=onward]").is_checked():
        page.locator("input[name=onward]").check()
    return took


if __name__ == "__main__":
    main()
