"""From ``make run`` to the first reviewed study with nothing but what terminal and pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread

from tests.waiting import wait_until
from tests.web.axe import faults
from tests.web.browsing import MARKS, PATIENCE_MS, chromium, watched

pytest.importorskip("data_store", reason="pydicom-data is not installed")
if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS, pytest.mark.timeout(900)]

LAST_LINE = "Serving until Ctrl-C."


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[str]:
    """What stands in the terminal when the program has told its story and keeps serving."""
    output = tmp_path / "terminal.txt"
    with output.open("wb") as stream:
        program = subprocess.Popen(
            [sys.executable, "-m", "demo", "--data-dir", str(tmp_path / "demo")],
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: LAST_LINE in output.read_text("utf-8", "replace") or program.poll() is not None, 300)
        assert program.poll() is None, output.read_text("utf-8", "replace")
        yield output.read_text("utf-8")
    finally:
        program.terminate()
        program.wait(60)


def test_a_new_user_gets_from_the_terminal_to_a_reviewed_study_and_sees_the_rejection_arrive(
    terminal: str, tmp_path: Path
) -> None:
    now_you = terminal[terminal.index("Now you") :]
    address = re.search(r"Open (http://localhost:\d+/) in a browser", now_you)
    assert address is not None, now_you
    assert "5 studies wait there" in now_you
    expect = sync_api.expect
    with chromium() as browser, watched(browser, address[1].rstrip("/"), "light") as page:
        page.goto("/")
        expect(page.locator("li.study")).to_have_count(5)
        page.locator("li.study a.open").first.click()
        page.wait_for_load_state()  # its scripts remember the name
        expect(page.locator(".meanings")).to_contain_text("Dismiss: the node was wrong")
        page.get_by_label("Your name").fill("mara")
        page.get_by_role("button", name="Dismiss").click()
        expect(page.locator(".state")).to_have_text("Resolved: dismissed")

        page.get_by_role("link", name="Next study").click()
        expect(page.get_by_label("Your name")).to_have_value("mara")
        page.get_by_role("button", name="Reject…").click()
        expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
        expect(page.get_by_label("DEMOPACS")).to_be_checked()
        page.get_by_role("button", name="Reject", exact=True).click()
        expect(page.locator(".state")).to_have_text("Resolved: rejected")

        page.goto("/look")
        page.get_by_label("drop it here").set_input_files(str(files("data_store") / "data" / "RG1_UNCR.dcm"))
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Accepted")
        expect(page.get_by_role("link", name="Check another image")).to_have_attribute("href", "/look")
        assert faults(page) == []
    assert "113001" in titles_of_notes(tmp_path / "demo" / "pacs")


def titles_of_notes(folder: Path) -> set[str]:
    """Document titles of the key objects that arrived, once there is a rejection among them."""

    def titles() -> set[str]:
        return {str(dcmread(file).ConceptNameCodeSequence[0].CodeValue) for file in folder.glob("KO-*.dcm")}

    wait_until(lambda: "113001" in titles(), PATIENCE_MS / 1000)
    return titles()
