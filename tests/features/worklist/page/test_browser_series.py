"""A series in a real browser: its slices by wheel, keys and slider, and the one that stands out one click away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.workers.pool import WorkerPool
from tests.stages.measure.series import making
from tests.stages.report.flagged import decode
from tests.stages.units.test_series_way import RULES, Rig
from tests.web.axe import faults
from tests.web.browsing import MARKS, shoot, watched
from tests.web.serving import serving

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]

COUNT, NOISY = 15, 11
"""Slices, and which of them is noisier than the others, counted from 1."""
PAGE = f"/studies/{making.STUDY}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node that judged the series by the way of all series."""
    folder = tmp_path_factory.mktemp("series")
    settings = load_settings(node={"data_dir": folder})
    with WorkerPool(settings) as pool:
        rig = Rig(folder, pool)
        noise = [40.0 if number == NOISY else 12.0 for number in range(1, COUNT + 1)]
        images = [making.body_ct(hu, seed=number) for number, hu in enumerate(noise)]
        rig.receive(*making.write_series(folder / "s", images, "CT"))
        rig.finish(rig.look(30.0)[0])
    services = WebServices(
        rig.database, rig.objects, settings, list, policy=lambda: parse_policy(RULES),
        decode=decode, decode_frame=decode,
    )  # fmt: skip
    with serving(services) as address:
        yield address
    rig.database.close()


@pytest.fixture(params=["light", "dark"])
def page(browser: sync_api.Browser, request: pytest.FixtureRequest, address: str) -> Iterator[sync_api.Page]:
    with watched(browser, address, request.param) as page:
        yield page


def opened(page: sync_api.Page, path: str = PAGE) -> None:
    page.goto(path)
    page.wait_for_selector("article:not([hidden]) [data-ready]")


def shown(page: sync_api.Page, number: int) -> None:
    """The caption, the slider and the line in the chart say that this slice is shown."""
    sync_api.expect(page.locator(".caption").first).to_have_text(re.compile(rf"^1: .* · {number} of {COUNT}$"))
    sync_api.expect(page.locator(".slices input").first).to_have_value(str(number))
    place = "(line) => line.x1.baseVal.value / line.ownerSVGElement.viewBox.baseVal.width"
    assert page.locator(".along .shown").first.evaluate(place) == pytest.approx((number - 0.5) / COUNT)


def test_slices_are_scrolled_by_wheel_keys_and_slider(page: sync_api.Page) -> None:
    opened(page)
    shown(page, 8)
    page.locator(".viewer canvas").first.hover()
    page.mouse.wheel(0, 100)
    shown(page, 9)
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    shown(page, 7)
    page.locator(".slices input").first.focus()
    page.keyboard.press("End")
    shown(page, COUNT)


def test_the_slice_that_stands_out_is_one_click_away(page: sync_api.Page) -> None:
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        opened(page)
        chart = page.locator(".along", has_text="Noise in soft tissue").first
        link = chart.get_by_role("link", name=f"Slice {NOISY}")
        link.click()
        shown(page, NOISY)
        assert faults(page) == []
        shoot(page, f"series-{width}")
        page.keyboard.press("PageDown")
        shown(page, NOISY + 1)
        link.click()  # again, although the address has not changed
        shown(page, NOISY)


def test_the_overview_marks_the_slice_that_is_shown(page: sync_api.Page) -> None:
    """It has at most twelve: of others the nearest is marked."""
    opened(page, f"{PAGE}#image-1-slice-{NOISY}")
    page.keyboard.press("y")
    marked = page.locator(".overview [aria-current]")
    sync_api.expect(marked).to_have_count(1)
    sync_api.expect(marked).to_contain_text(str(NOISY))
    sync_api.expect(marked).to_be_focused()
    for _ in range(COUNT):
        page.keyboard.press("PageUp")
    sync_api.expect(marked).to_have_text("1")
    page.keyboard.press("y")
    sync_api.expect(page.locator(".overview")).to_have_count(0)


def test_values_with_limits_and_the_series_lie_on_the_first_screen(page: sync_api.Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page)
    for part in ("table.limits", ".along"):
        box = page.locator(f"article:not([hidden]) .said {part}").first.bounding_box()
        assert box is not None
        assert 0 < box["y"] < box["y"] + box["height"] < 900, part


def test_a_place_in_a_chart_shows_that_slice_and_the_address_of_one_opens_it(page: sync_api.Page) -> None:
    opened(page)
    chart = page.locator(".along svg").first
    box = chart.bounding_box()
    assert box is not None
    chart.click(position={"x": box["width"] * 2.5 / COUNT, "y": box["height"] / 2})
    shown(page, 3)
    page.goto("about:blank")
    opened(page, f"{PAGE}#image-1-slice-{NOISY}")
    shown(page, NOISY)
