"""The note on pairs of mammograms, as the page of their study loads it: accessible, and within every screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.features.mammogram_pairs.pairs_making import STUDY, VIEWS, mammogram_file, modifier, store
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


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A study without the left oblique view, with two right craniocaudal ones and a magnified one."""
    files = tmp_path_factory.mktemp("files")
    with staging(tmp_path_factory.mktemp("node"), page_size=20) as stage:
        database = stage.services.database
        for number, view in enumerate((*VIEWS[:3], "R CC")):
            store(database, mammogram_file(files, number, view, 160 if view == "L CC" else 250))
        magnified = modifier("399163009", "Magnification")
        store(database, mammogram_file(files, 9, "R CC", ViewCodeSequence=magnified, CompressionForce=None))
        with serving_phantoms(stage, 400, 600) as web:
            yield web


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_note_is_accessible_and_fits(address: str, language: str) -> None:
    wrong: list[str] = []
    with chromium() as browser, watched(browser, address, "light") as page:
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"/studies/{STUDY}")
            sync_api.expect(page.locator("[data-pairs]")).to_contain_text("10 mm")
            page.locator("[data-pairs]").scroll_into_view_if_needed()
            wrong += [f"{width}: {one}" for one in sorted(outside(page, width))]
            wrong += [f"{width}: {one}" for one in faults(page)]
            shoot(page, f"pairs-{language}-{width}")
    assert not wrong, "\n".join(wrong)
