"""What a screen shows first: the newest exposure in a room, what to do on a phone, whose study a row is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from tests.web.browsing import MARKS, chromium
from tests.web.serving import serving_phantoms
from tests.web.staging import Stage

pytestmark = [pytest.mark.more, *MARKS]

WALL, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
UNSEEN = 60
NEWEST = "document.querySelector('.light').getBoundingClientRect().height"


def test_the_main_thing_is_on_the_first_screen(stage: Stage) -> None:
    now = datetime.now(UTC)
    for number in range(UNSEEN, -1, -1):
        finding = (FindingName.MOTION_BLUR, FindingName.NOISE)[number % 3 == 0]
        study, _ = stage.add(number + 1, Verdict.REVIEW, finding, at=now - timedelta(seconds=10 * number))
    with serving_phantoms(stage, 400, 500) as address, chromium() as browser:
        page = browser.new_page(base_url=address)
        for screen in (WALL, PHONE):
            page.set_viewport_size({"width": screen["width"], "height": screen["height"]})
            page.goto("/rooms/ROOM1")
            assert page.evaluate(NEWEST) >= screen["height"] / 2
            folded = page.locator(".folded summary")
            assert "60 not seen yet · Motion blur 40 · Noise 20" in " ".join(folded.inner_text().split())
            folded.click()
            assert page.evaluate(NEWEST) >= screen["height"] / 2, "nor while they are looked through"
        page.goto("/")
        assert page.locator(".study .numbers-of").first.inner_text().split() == [
            "Accession",
            "ACC1",
            "Patient",
            "ID",
            "PID1",
        ]
        row = page.locator(".study").first.bounding_box()
        assert row is not None
        assert row["y"] + row["height"] < PHONE["height"]
        page.goto(f"/studies/{study}")
        to_do, bar = page.locator(".advice").bounding_box(), page.locator(".act .actions").bounding_box()
        assert to_do is not None
        assert bar is not None
        assert to_do["y"] + to_do["height"] < bar["y"]
        assert bar["y"] + bar["height"] == PHONE["height"]
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"]
