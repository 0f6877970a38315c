"""The log of phantoms in a browser, in both languages and on a phone: the list, and the page of one row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from miqa_node.features.phantoms.history import DUE, ValueLimits
from miqa_node.features.phantoms.rows import log, records
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from miqa_node.runtime.store.artifacts import Artifacts
from tests.features.phantoms.log_making import PIU, PSG, key, scan
from tests.web.axe import faults
from tests.web.browsing import MARKS, chromium, shoot, watched
from tests.web.serving import serving_phantoms
from tests.web.staging import phantom_png, staging
from tests.web.test_browser_every_page import BROKEN, SCHEMES, SIZES, outside

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]

LONG: dict[str, Any] = {
    "station_name": "RADIOLOGY-MR-2",
    "detector_id": "1.2.840.113619.2.62.994044785528.114289542805",
    "protocol_name": "Quality assurance of the head coil, weekly (Physics)",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:

    with staging(tmp_path_factory.mktemp("node"), page_size=20) as stage:
        database, digests = stage.services.database, []
        for number in range(12):
            software = "V1" if number < 7 else "V2"
            spokes = {"low_contrast_spokes.slice_11": 9.0, "low_contrast_spokes.total": 37.0 - number % 3}
            numbers = {PIU: 95.0 - 0.2 * number, PSG: None if number == 11 else 0.1, **spokes}
            digests.append(scan(database, number, numbers, software_versions=software))
        digests.append(scan(database, 20, {PIU: 88.0}, kind="acr_mr_medium", **LONG))
        digests.append(scan(database, 21, {}, kind=""))
        for digest in digests:
            Artifacts(stage.services.objects).keep_preview(digest, phantom_png())
        with database.begin() as transaction:
            one = next(one for one in log.all_of(transaction) if len(one.scans) > 1)
            records.sign(transaction, key(11), "mara", "as usual", datetime.now(UTC))
            records.note_change(
                transaction, one.machine, date(2026, 4, 1), "Another phantom", "mara", datetime.now(UTC)
            )
            limits = ValueLimits(one.kind, one.history, PIU, 80.0, None, 0.5, 1.0, "ada", datetime.now(UTC))
            records.set_limits(transaction, limits)
        with serving_phantoms(stage, 256, 256) as web:
            yield web


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_pages_of_the_log_are_accessible_and_fit(address: str, language: str) -> None:
    wrong: list[str] = []
    with chromium() as browser, watched(browser, address, "light") as page:
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
        page.goto("/phantoms")
        rows = page.locator("main td a[href^='/phantoms/log/']:has(strong)")
        sync_api.expect(rows).to_have_count(3)
        paths = {"list": "/phantoms"} | {f"row{n}": rows.nth(n).get_attribute("href") or "" for n in range(3)}
        for name, path in paths.items():
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                page.goto(path)
                wrong += [f"{name} at {width}: {one}" for one in sorted(outside(page, width))]
                wrong += [f"{name} at {width}: the browser cannot draw {one}" for one in page.evaluate(BROKEN)]
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    wrong += [f"{name} at {width}, {scheme}: {one}" for one in faults(page)]
                shoot(page, f"phantoms-{language}-{width}-{name}")
    assert not wrong, "\n".join(wrong)


def test_a_physicist_signs_sets_a_limit_and_sees_the_row_fail(address: str) -> None:
    with chromium() as browser, watched(browser, address, "light") as page:
        page.goto("/phantoms")
        page.get_by_role("link", name="RADIOLOGY-MR-2", exact=True).click()
        sign = page.locator("form[action='/phantoms/signatures']").first
        sign.get_by_label("Your name").fill("kim")
        sign.get_by_label("Comment").fill("after service")
        sign.get_by_role("button", name="Seen").click()
        sync_api.expect(page.get_by_text("kim: after service")).to_be_visible()
        limits = page.locator("form[action$='/limits/all']")
        limits.get_by_label("Uniformity (PIU): At least").fill("90,5")
        if not limits.get_by_label("Your name").input_value():
            limits.get_by_label("Your name").fill("kim")
        limits.get_by_role("button", name="Set all limits").click()
        sync_api.expect(page.locator(".verdict.reject").first).to_have_text("Fail")


MOST_HIGH = 2400
"""Pixels of the list of forty rows on a wide screen."""


def test_a_department_of_forty_rows_sees_what_fails_first_on_little_more_than_two_screens(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with staging(tmp_path_factory.mktemp("node"), page_size=50) as stage:
        database, now = stage.services.database, datetime.now(UTC)
        for number in range(40):
            numbers = {PIU: 80.0 if number == 3 else 95.0, PSG: None if number == 7 else 0.1}
            days = timedelta(days=60 if number == 5 else number % 20)
            at = (now - days).replace(tzinfo=None)
            long = {**LONG, "station_name": f"{LONG['station_name']}-{number:02d}", "detector_id": f"SN{number}"}
            scan(database, number, numbers, at=at, **long)
        with database.begin() as transaction:
            for name, low, high in ((PIU, 87.5, None), (PSG, None, 2.5), (DUE, None, 31.0)):
                limits = ValueLimits("acr_mr_large", "", name, low, high, None, None, "ada", now)
                records.set_limits(transaction, limits)
        with serving_phantoms(stage, 256, 256) as web, chromium() as browser, watched(browser, web, "light") as page:
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto("/phantoms")
            rows = page.locator("main .log tbody tr")
            sync_api.expect(rows).to_have_count(40)
            shoot(page, "phantoms-forty-1440")
            high = page.evaluate("document.documentElement.scrollHeight")
            assert high <= MOST_HIGH, high
            states = [" ".join(rows.nth(place).locator("td").first.inner_text().split()) for place in range(4)]
            assert states == ["Fail", "Pass Overdue", "Not measured", "Pass"]
            page.get_by_label("Machine or protocol").fill("mr-2-17")
            page.get_by_role("button", name="Show", exact=True).click()
            sync_api.expect(rows).to_have_count(1)
            sync_api.expect(page.get_by_text("1 of 40 rows")).to_be_visible()
            rows.first.get_by_role("link").first.click()
            shoot(page, "phantoms-row-1440")
