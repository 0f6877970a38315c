"""The list of machines noisier than others, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miqa_node.core.domain.measurand import MEASUREMENTS
from tests.features.usual_ranges.page.test_noisier_machines import GRAIN, TITLE, fill
from tests.web.axe import faults
from tests.web.browsing import MARKS, shoot, watched
from tests.web.staging import Stage
from tests.web.test_browser import address  # noqa: F401 - fixture

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]


def test_the_list_can_be_read_by_everybody(
    stage: Stage,
    browser: sync_api.Browser,
    address: str,  # noqa: F811
) -> None:
    fill(stage, "GRAINY", 1.5 * MEASUREMENTS.all()[GRAIN].most_elsewhere)
    with watched(browser, address, "light") as page:
        page.goto("/analysis/model")
        assert page.get_by_role("heading", name=TITLE).is_visible()
        assert faults(page) == []
        shoot(page, "noisier-machines")
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
