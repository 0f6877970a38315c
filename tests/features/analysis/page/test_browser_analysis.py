"""The pages of the analysis in a real browser, filled with half a year of a hospital of numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.features.analysis.page.test_analysis_rest import PERIOD, fill
from tests.features.analysis.test_reject_logs import GENERIC
from tests.web import hospital
from tests.web.axe import faults
from tests.web.browsing import MARKS, shoot, watched
from tests.web.staging import Stage
from tests.web.test_browser import address  # noqa: F401 - fixture

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]

PAGES = {
    "analysis": "/analysis",
    "model-watch": "/analysis/model",
    "labels": "/analysis/labels",
    "reading": "/readings",
}
HALF_A_YEAR = f"since={hospital.LAST_DAY.replace(month=5)}&until={hospital.LAST_DAY}"
BARS_IN_THE_PLOT = """() => [...document.querySelectorAll('svg.figure')].map(figure => {
    const width = figure.viewBox.baseVal.width;
    return [...figure.querySelectorAll('rect, circle')].every(one => {
        const box = one.getBBox();
        return box.x >= 0 && box.x + box.width <= width && box.y >= 0;
    });
})"""


def test_every_page_of_the_analysis_can_be_read_by_everybody(
    stage: Stage,
    browser: sync_api.Browser,
    address: str,  # noqa: F811
) -> None:
    hospital.fill(stage)
    for scheme in ("light", "dark"):
        with watched(browser, address, scheme) as page:
            for name, path in PAGES.items():
                page.goto(path)
                if name == "reading":
                    page.wait_for_selector("[data-ready]")
                assert faults(page) == [], path
                assert all(page.evaluate(BARS_IN_THE_PLOT)), path
                shoot(page, name)
                page.set_viewport_size({"width": 390, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
                shoot(page, f"phone-{name}")
                page.set_viewport_size({"width": 1360, "height": 900})
            says_what_was_put_into_the_hospital(page)


def says_what_was_put_into_the_hospital(page: sync_api.Page) -> None:
    expect = sync_api.expect
    page.goto("/analysis?room=Casualty&" + HALF_A_YEAR)
    expect(page.locator("p.warn")).to_have_text(re.compile("From 2026-0?(9|10)-.* the rate is 1[3-7]"))
    page.goto("/analysis")
    expect(page.locator("details tr:has(th:text-is('Casualty'))")).to_contain_text("investigate")
    expect(page.get_by_role("row", name="BONE-STATION")).to_have_count(1)
    page.goto("/analysis/model?" + HALF_A_YEAR)
    expect(page.get_by_role("row", name="Noise share")).to_contain_text("drifted")
    expect(page.locator("figcaption", has_text="patients, by chance")).to_have_count(1)
    expect(page.locator("figcaption", has_text="patients, by chance")).to_contain_text("FD Thorax 2")
    page.goto("/analysis/labels?" + HALF_A_YEAR)
    expect(page.locator("main")).to_contain_text("images were read twice; both said the same of")


def test_a_reject_log_is_previewed_and_imported(
    stage: Stage,
    browser: sync_api.Browser,
    address: str,  # noqa: F811
) -> None:
    fill(stage, flagged=3, decided=1)
    log: sync_api.FilePayload = {"name": "rejects.csv", "mimeType": "text/csv", "buffer": GENERIC.encode()}
    expect = sync_api.expect
    with watched(browser, address, "light") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto("/analysis/logs")
        preview = page.locator("#preview")
        bad: sync_api.FilePayload = {**log, "buffer": f"{GENERIC}never,A,,,,,,Motion,,,,\n".encode()}
        page.get_by_label("Log of the modality").set_input_files(bad)
        expect(preview).to_contain_text("Line 5")
        expect(page.get_by_role("button", name="Import")).to_have_count(0)
        page.get_by_label("Log of the modality").set_input_files(log)
        expect(preview.get_by_role("heading")).to_have_text("What was understood")
        expect(preview).to_contain_text("Not kept: Patient name, Patient ID")
        assert "Muster" not in preview.inner_text()
        page.get_by_label("Your name").fill("mara")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        shoot(page, "phone-reject-log")
        page.get_by_role("button", name="Import 3 rejects").click()
        expect(page.get_by_role("status")).to_contain_text("3 rejects were imported")
        page.goto(f"/analysis?{PERIOD}")
        expect(page.get_by_text("imported reject log of Thorax 1")).to_be_visible()
        expect(page.get_by_text("1 of 3").first).to_be_visible()
