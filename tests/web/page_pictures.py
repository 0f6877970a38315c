"""Takes the pictures of pages in the documentation, all of them: ``python -m tests.web.page_pictures`` (make pictures).

Worklist, images and analysis are those of the site after two months (``make site``); study, rejection and room those
of the demonstration, a real node with the radiographs of pydicom-data; the others those of the drawn hospital.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from demo.samples import make_samples
from demo.serving import NODE_AE_TITLE, write_destination
from demo.story import tell
from miqa_node.core.domain.access import Role
from miqa_node.core.domain.finding import FindingName
from miqa_selftest.launch import HOST, NodeProcess, free_ports
from miqa_selftest.pacs import ReceivingPacs
from tests.conftest import ROOT
from tests.features.limits.page.test_browser_places import fill_place
from tests.web.browsing import PATIENCE_MS, chromium
from tests.web.people import PASSWORD, add_account
from tests.web.serving import serving, serving_phantoms
from tests.web.site import served_site, sign_in
from tests.web.staging import staging
from tests.web.test_browser_every_page import fill

if TYPE_CHECKING:
    from playwright import sync_api

FOLDER = ROOT / "docs" / "assets" / "pages"
README = ROOT / "docs" / "assets" / "worklist.png"
OF_HOSPITAL = {
    "model-watch": "/analysis/model", "operations": "/operations", "tuning": "/tuning?set=1",
}  # fmt: skip
OF_SITE = {"images": "/images", "analysis": "/analysis"}
Scheme = Literal["light", "dark"]


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as made, chromium() as browser:
        folder = Path(made)
        of_site(browser, folder / "site")
        of_hospital(browser, folder / "hospital")
        of_place(browser, folder / "place")
        of_accounts(browser, folder / "accounts")
        of_demonstration(browser, folder / "demo")


def of_site(browser: sync_api.Browser, folder: Path) -> None:
    """What two months leave: a full worklist, and figures."""
    folder.mkdir()
    with served_site(folder) as site, opened(browser, site.address) as page:
        sign_in(page)
        page.set_viewport_size({"width": 1280, "height": 600})
        page.locator("#live", has_text="live").wait_for()
        page.screenshot(path=README)
        keep(page, "worklist", full_page=False)
        page.set_viewport_size({"width": 1360, "height": 900})
        for name, path in OF_SITE.items():
            page.goto(path, wait_until="load")
            keep(page, name, full_page=False)


def of_hospital(browser: sync_api.Browser, folder: Path) -> None:
    """Pages with the figures of half a year."""
    folder.mkdir()
    with staging(folder, page_size=20) as stage:
        fill(stage)
        with serving_phantoms(stage, 832, 1024) as address, opened(browser, address) as page:
            for name, path in OF_HOSPITAL.items():
                page.goto(path, wait_until="networkidle" if name != "operations" else "load")
                keep(page, name)


def of_place(browser: sync_api.Browser, folder: Path) -> None:
    """What is usual in a room, and what lies beyond it."""
    folder.mkdir()
    with staging(folder, page_size=20) as stage:
        fill_place(stage)
        with serving_phantoms(stage, 832, 1024) as address, opened(browser, address) as page:
            page.goto("/tuning")
            page.locator("main a[href^='/tuning/places']").first.click()
            page.wait_for_load_state("networkidle")
            keep(page, "place")


def of_accounts(browser: sync_api.Browser, folder: Path) -> None:
    """An administrator has just made a token."""
    folder.mkdir()
    with staging(folder, page_size=20) as stage:
        for name, role in (("ada", Role.ADMIN), ("jonas", Role.VIEWER), ("mara", Role.REVIEWER), ("ris", Role.SERVICE)):
            add_account(stage, name, role)
        with serving(stage.services) as address, opened(browser, address) as page:
            page.goto("/people")
            page.get_by_label("Name").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.get_by_text("Change ris").click()
            page.locator("li#ris").get_by_label("Purpose").fill("the information system")
            page.keyboard.press("Enter")
            page.get_by_role("status").wait_for()
            page.get_by_text("Change ris").click()
            keep(page, "people")


def of_demonstration(browser: sync_api.Browser, folder: Path) -> None:
    """The way of a technologist through the samples of the demonstration."""
    samples = make_samples()
    [marked] = [one for one in samples if one.simulated == FindingName.FOREIGN_OBJECT]
    dicom_port, web_port, pacs_port = free_ports((11112, 8080, 11113))
    with ReceivingPacs(folder / "pacs", pacs_port) as pacs:
        write_destination(folder / "node", pacs.port)
        node = NodeProcess(folder / "node", NODE_AE_TITLE, dicom_port, web_port, environment={"MIQA_DICOM__HOST": HOST})
        with node:
            if faults := tell(Console(quiet=True), node, pacs, samples):
                raise SystemExit("\n".join(faults))
            with opened(browser, f"http://localhost:{web_port}") as page:
                page.goto(f"/studies/{marked.study_instance_uid}")
                page.wait_for_selector("[data-ready]")
                keep(page, "study", "dark")
                page.get_by_label("Your name").fill("mara")
                page.get_by_label("Comment").fill("necklace over the lungs")
                page.get_by_role("button", name="Reject…").click()
                page.get_by_role("heading", name="What will happen").wait_for()
                keep(page, "reject")
                page.goto("/rooms")
                page.locator("main a[href^='/rooms/']").first.click()
                page.set_viewport_size({"width": 390, "height": 780})
                page.locator("[data-light]").wait_for()
                keep(page, "room", full_page=False)


@contextmanager
def opened(browser: sync_api.Browser, address: str) -> Iterator[sync_api.Page]:
    """A page of its own."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, base_url=address)
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def keep(page: sync_api.Page, name: str, scheme: Scheme = "light", *, full_page: bool = True) -> None:
    """Write the picture of a page."""
    page.emulate_media(color_scheme=scheme)
    path = FOLDER / f"{name}-{scheme}.jpg"
    page.screenshot(path=path, type="jpeg", quality=82, full_page=full_page)
    page.emulate_media(color_scheme="light")


if __name__ == "__main__":
    main()
