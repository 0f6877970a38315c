"""The page of a study in a real browser: the whole image in sight, and its tools by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest, StudyInstanceUid
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from miqa_node.runtime.store.artifacts import Artifacts
from tests.waiting import wait_until
from tests.web.axe import faults
from tests.web.browsing import MARKS, PATIENCE_MS, shoot, watched
from tests.web.serving import serving_phantoms
from tests.web.staging import NOW, Stage

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]

SIZES = ((1440, 900), (390, 844))
VIEW = "document.querySelector('article:not([hidden]) [data-viewer]').viewer.view"
IN_SIGHT = """(view) => {
  const {canvas, place} = view;
  const box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width;
  const [left, top, width, height] = place.map((one) => one / ratio);
  const inside = (a, b, most) => a >= -0.5 && b <= most + 0.5;
  const across = (a, b) => inside(a, b, innerWidth);
  const down = (a, b) => inside(a, b, innerHeight);
  const buttons = [...document.querySelectorAll('#decide button')].map((one) => one.getBoundingClientRect());
  return {image: across(box.left + left, box.left + left + width) && down(box.top + top, box.top + top + height),
          share: Math.max(width / innerWidth, height / innerHeight),
          actions: buttons.every((one) => across(one.left, one.right) && down(one.top, one.bottom)),
          high: document.documentElement.scrollHeight};
}"""


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    with serving_phantoms(stage, 2080, 2560) as address:
        yield address


@pytest.fixture
def page(browser: sync_api.Browser, request: pytest.FixtureRequest, address: str) -> Iterator[sync_api.Page]:
    with watched(browser, address, getattr(request, "param", "light")) as page:
        yield page


def seen(stage: Stage, digest: InstanceDigest, name: FindingName) -> None:
    """A finding in the upper right of the picture."""
    values = np.zeros((32, 32), np.float32)
    values[4:9, 20:28] = 1.0
    Artifacts(stage.services.objects).keep_maps(digest, SaliencyMaps({name: SaliencyMap(values, "drise")}))


def until(page: sync_api.Page, expression: str) -> None:
    """The page's own security policy lets no script wait for it."""
    for _ in range(PATIENCE_MS // 100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(expression)


def open_study(page: sync_api.Page, path: str = "/studies/1.2.3.1") -> None:
    page.goto(path)
    page.wait_for_selector("article:not([hidden]) [data-ready]")


@pytest.mark.parametrize(("page", "images"), [("light", 1), ("dark", 24)], indirect=["page"])
def test_the_whole_image_and_the_actions_are_in_sight(stage: Stage, page: sync_api.Page, images: int) -> None:
    for number in range(1, images + 1):
        _, digest = stage.add(number, finding=FindingName.FOREIGN_OBJECT, study=1, patient="PID1", peak=(0.8, 0.2))
        seen(stage, digest, FindingName.FOREIGN_OBJECT)

    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        open_study(page)
        until(page, f"{VIEW}.outlines.length")
        sight = page.evaluate(f"({IN_SIGHT})({VIEW})")
        assert sight["image"], (width, sight)
        assert sight["actions"], (width, sight)
        assert sight["share"] > 0.45, (width, sight)
        assert sight["high"] <= height or (width, height) == SIZES[-1], "a phone scrolls to the numbers"
        headline = page.locator("article:not([hidden]) .what").inner_text()
        assert headline == "Foreign object, upper part, on the patient's left"
        assert page.locator("[data-overlay]:checked").count() == 0, "nothing lies over the pixels"
        assert faults(page) == []
        shoot(page, f"study-{images}-{width}")


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_findings_fit_their_panel(stage: Stage, page: sync_api.Page, address: str, language: str) -> None:
    stage.add(1, finding=FindingName.MOTION_BLUR, peak=(0.8, 0.2))
    page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    open_study(page)
    assert page.locator("html").get_attribute("lang") == language
    panel = page.locator(".said:visible").first
    assert panel.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_the_header_is_one_line_and_two_if_somebody_claimed_the_study(
    stage: Stage, page: sync_api.Page, address: str, language: str
) -> None:
    """At usual widths "Keys" stood in a line of its own, and a long headline in two beside the patient's ID."""
    page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
    page.set_viewport_size({"width": 1300, "height": 800})
    for number, (finding, name, lines) in enumerate((
        (FindingName.FOREIGN_OBJECT, "", 1),
        (FindingName.CONTRAST_PROCESSING, "dr.friederike.beispielfrau", 2),
    )):  # fmt: skip
        study, _ = stage.add(number, finding=finding, born="19610304")
        if name:
            with stage.services.database.begin() as transaction:
                worklist.claim(transaction, study, name, NOW)
        open_study(page, f"/studies/{study}")
        heights = [page.locator(one).bounding_box() for one in (".strip", ".strip h1", "#help-button", ".strip dl")]
        strip, headline, keys, facts = (box for box in heights if box)
        assert strip["height"] < (lines + 0.5) * headline["height"], (language, name)
        assert abs(keys["y"] + keys["height"] / 2 - facts["y"] - facts["height"] / 2) < facts["height"] / 2


def test_one_image_at_a_time_from_the_film_strip(stage: Stage, page: sync_api.Page) -> None:
    for number in range(1, 4):
        stage.add(number, study=1)
    open_study(page)
    sync_api.expect(page.locator("article:visible")).to_have_count(1)
    first = page.evaluate(f"{VIEW}.digest")

    page.keyboard.press("]")
    sync_api.expect(page.locator("[data-show='2']")).to_have_attribute("aria-current", "true")
    assert page.evaluate(f"{VIEW}.digest") != first
    page.keyboard.press("[")
    page.keyboard.press("[")
    sync_api.expect(page.locator("[data-show='3']")).to_have_attribute("aria-current", "true")
    sync_api.expect(page.locator("article:visible")).to_have_count(1)


def test_places_are_outlined_and_what_is_everywhere_is_a_badge(stage: Stage, page: sync_api.Page) -> None:
    _, digest = stage.add(1, finding=FindingName.FOREIGN_OBJECT, peak=(0.8, 0.2))
    seen(stage, digest, FindingName.FOREIGN_OBJECT)
    stage.add(7, Verdict.ACCEPT)
    _, blurred = stage.add(8, finding=FindingName.MOTION_BLUR)
    seen(stage, blurred, FindingName.MOTION_BLUR)
    open_study(page)
    until(page, f"{VIEW}.outlines.length")

    [outline] = page.evaluate(f"{VIEW}.outlines")
    assert outline["title"] == "Foreign object"
    xs, ys = zip(*outline["polygons"][0], strict=True)
    assert 0.55 < min(xs) < max(xs) < 0.95
    assert 0.05 < min(ys) < max(ys) < 0.35
    drawn = page.evaluate(f"{VIEW}.canvas.toDataURL()")
    page.keyboard.press("o")
    assert page.evaluate(f"{VIEW}.canvas.toDataURL()") != drawn
    sync_api.expect(page.locator(".badges")).to_have_count(0)

    open_study(page, "/studies/1.2.3.8")
    sync_api.expect(page.locator(".badges")).to_contain_text("Motion blur")
    assert page.evaluate(f"{VIEW}.outlines.flatMap((one) => one.polygons)") == []
    patches = page.locator(".patches img")
    sync_api.expect(patches).to_have_count(2)
    for n in range(2):
        assert patches.nth(n).evaluate("one => one.decode().then(() => one.naturalWidth)") == 128


def test_the_image_is_worked_with_by_keyboard_alone(stage: Stage, page: sync_api.Page) -> None:
    stage.add(1, Verdict.ACCEPT, patient="P", study_date="20260101")
    stage.add(2, patient="P", spacing_mm=(0.2, 0.1))
    open_study(page, "/studies/1.2.3.2")

    page.keyboard.press("i")
    assert page.evaluate(f"{VIEW}.inverted")
    page.keyboard.press("w")
    assert page.evaluate(f"{VIEW}.high") < 65535
    page.keyboard.press("1")
    until(page, f"{VIEW}.columns === 2080")
    assert page.evaluate(f"{VIEW}.place[2]") == pytest.approx(2080)
    page.locator("article:not([hidden]) canvas").first.press("0")
    assert page.evaluate(f"[{VIEW}.zoom, {VIEW}.inverted, {VIEW}.high]") == [1, False, 65535]
    page.keyboard.press("m")
    page.keyboard.press("Shift+ArrowRight")
    length = page.evaluate(f"import('/static/viewer/ruler.js').then((one) => one.lengthMm({VIEW}.ruler, {VIEW}))")
    assert length == pytest.approx(0.21 * 2080 * 0.1)
    for key, name in (("v", "Prior of 2026-01-01"), ("g", "Last good image of ROOM1, another study")):
        page.keyboard.press(key)
        sync_api.expect(page.locator(".beside .frame:visible .caption").last).to_have_text(name)
        sync_api.expect(page.locator(".beside .frame:visible")).to_have_count(2)
    page.keyboard.press("g")
    sync_api.expect(page.locator(".frame:visible")).to_have_count(1)
    page.keyboard.press("?")
    sync_api.expect(page.locator("#help")).to_contain_text("next window preset")
    assert faults(page) == []


def test_of_two_images_asked_for_at_once_the_later_stands_beside_this_one(stage: Stage, page: sync_api.Page) -> None:
    stage.add(1, Verdict.ACCEPT, patient="P", study_date="20260101")
    stage.add(2, patient="P")
    open_study(page, "/studies/1.2.3.2")

    page.evaluate("""() => {
        for (const key of "vg") document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    }""")
    page.wait_for_load_state("networkidle")
    sync_api.expect(page.locator(".beside .frame:visible")).to_have_count(2)
    caption = page.locator(".beside .frame:visible .caption").last
    sync_api.expect(caption).to_have_text("Last good image of ROOM1, another study")


def test_without_pixel_spacing_there_is_no_ruler(stage: Stage, page: sync_api.Page) -> None:
    stage.add(1)
    open_study(page)

    page.keyboard.press("m")

    sync_api.expect(page.get_by_role("button", name="Ruler")).to_have_count(0)
    assert page.evaluate(f"{VIEW}.ruler ?? null") is None


def test_after_a_decision_the_next_study_of_the_view_comes_and_undo_is_still_there(
    stage: Stage, page: sync_api.Page
) -> None:
    stage.add(1, station="ROOM2")
    stage.add(2, Verdict.REVIEW)
    stage.add(3, station="ROOM2")
    open_study(page, "/studies/1.2.3.3?list=station%3DROOM2")

    page.get_by_label("Your name").fill("mara")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("e")
    page.keyboard.press("d")

    sync_api.expect(page).to_have_url(re.compile(r"/studies/1\.2\.3\.1\?list=station%3DROOM2&decided=1\.2\.3\.3$"))
    sync_api.expect(page.get_by_role("status").filter(has_text="ACC3")).to_have_text("ACC3: Dismissed.")
    sync_api.expect(page.get_by_label("then the next")).to_be_checked()
    page.keyboard.press("u")
    sync_api.expect(page.locator(".state")).to_have_text("Open")
    wait_until(lambda: _state(stage, "1.2.3.3") == "OPEN", what="it is taken back without a new page")


def _state(stage: Stage, study: str) -> str:
    with stage.services.database.begin() as transaction:
        return str(worklist.show(transaction, StudyInstanceUid(study)).state.value)
