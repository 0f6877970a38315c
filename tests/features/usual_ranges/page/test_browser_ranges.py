"""Usual ranges in a browser: the list, one history, and the note that the page of a study loads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.features.usual_ranges.ranges_making import FIRST_AT, fill, look, measure, noises
from tests.web.axe import faults
from tests.web.browsing import MARKS, chromium, shoot, watched
from tests.web.serving import serving_phantoms
from tests.web.staging import staging
from tests.web.test_browser_every_page import SIZES, outside

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]

LONG: dict[str, Any] = {
    "station_name": "RADIOLOGY-CT-2",
    "protocol_name": "Abdomen native and portal venous phase (Adult)",
    "detector_id": "",
    "authority": f"&urn:oid:{'1.2.840.113619.2.62.994044785528.' * 8}&URI",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with staging(tmp_path_factory.mktemp("node"), page_size=20) as stage:
        database = stage.services.database
        at = fill(database, [*noises(40), *noises(30, level=12.5, seed=2)])
        measure(database, 100, at, {"ct_noise": 25.0, "hu_air": -961.0, "ct_snr": 40.0})
        for number, noise in enumerate(noises(8), 200):
            measure(database, number, FIRST_AT + timedelta(days=number - 100), {"ct_noise": noise}, **LONG)
        renamed = {**LONG, "authority": LONG["authority"].replace("urn:oid", "urn:OID")}
        measure(database, 400, at + timedelta(days=300), {"ct_noise": 10.0}, **renamed)
        measure(database, 300, at, {"ct_noise": 10.0}, software_versions="syngo CT VB20A")
        look(database)
        with serving_phantoms(stage, 512, 512) as web:
            yield web


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_pages_are_accessible_and_fit(address: str, language: str) -> None:
    wrong: list[str] = []
    with chromium() as browser, watched(browser, address, "light") as page:
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
        page.goto("/ranges")
        histories = page.locator("main a[href^='/ranges/']")
        paths = {
            "list": "/ranges",
            "history": histories.first.get_attribute("href") or "",
            "long": histories.last.get_attribute("href") or "",
            "study": "/studies/1.2.8.100",
        }
        for name, path in paths.items():
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                page.goto(path)
                if name == "study":
                    sync_api.expect(page.locator("[data-usual]")).to_contain_text("25")
                wrong += [f"{name} at {width}: {one}" for one in sorted(outside(page, width))]
                wrong += [f"{name} at {width}: {one}" for one in faults(page)]
                shoot(page, f"ranges-{language}-{width}-{name}")
    assert not wrong, "\n".join(wrong)
