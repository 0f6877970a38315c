"""The pages in a real browser: what people see, and that nothing is asked of anybody else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.verdict import Verdict
from miqa_node.runtime.people import users
from miqa_node.runtime.site_records import labels, marks
from miqa_node.runtime.store.artifacts import Artifacts
from tests.waiting import wait_until
from tests.web.axe import faults
from tests.web.browsing import MARKS, shoot, watched
from tests.web.people import PASSWORD, add_account
from tests.web.serving import serving_phantoms
from tests.web.staging import Stage

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    with serving_phantoms(stage, 832, 1024) as address:
        yield address


@pytest.fixture(params=["light", "dark"])
def page(browser: sync_api.Browser, request: pytest.FixtureRequest, address: str) -> Iterator[sync_api.Page]:
    with watched(browser, address, request.param) as page:
        yield page


def test_the_worklist_shows_a_flagged_study_with_its_picture(stage: Stage, page: sync_api.Page) -> None:
    _, digest = stage.add(1, Verdict.REVIEW, FindingName.CLIPPED_ANATOMY)
    stage.add(2, Verdict.REJECT, FindingName.MOTION_BLUR)
    stage.add(3, Verdict.ACCEPT)

    page.goto("/")

    study = page.locator("li.study.review")
    picture = study.locator("img.thumb")
    sync_api.expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 208
    assert digest in (picture.get_attribute("src") or "")
    sync_api.expect(study).to_contain_text("Clipped anatomy")
    sync_api.expect(study.locator(".verdict")).to_have_text("Review")
    assert page.locator("li.study").count() == 2
    assert page.title() == "Worklist · miqa-node"
    shoot(page, "worklist")


def test_a_person_claims_and_resolves_a_study(stage: Stage, page: sync_api.Page) -> None:
    stage.add(1)

    page.goto("/")
    page.get_by_role("link", name="DX · Chest · PA").click()
    page.wait_for_url("**/studies/*")  # with its scripts, of which one remembers the name
    page.get_by_label("Your name").fill("mara")
    page.get_by_role("button", name="Claim").click()
    sync_api.expect(page.locator(".state")).to_have_text("Claimed by mara")
    sync_api.expect(page.get_by_label("Your name")).to_have_value("mara")
    shoot(page, "study")
    page.get_by_label("Comment").fill("patient moved")
    page.get_by_role("button", name="Retake requested").click()

    sync_api.expect(page.locator(".state")).to_have_text("Resolved: retake requested")
    sync_api.expect(page.locator(".events")).to_contain_text("patient moved")
    page.goto("/")
    sync_api.expect(page.get_by_text("Nothing needs attention")).to_be_visible()


CUT_OFF = """() => {
  const shown = [...document.querySelectorAll("main :is(input, select, button, th, h1, h2, h3, .verdict)")]
    .filter((one) => one.checkVisibility() && !one.closest(".away, [role=region][tabindex]"))
    .map((one) => ({ name: one.outerHTML.slice(0, 60), heading: one.matches("thead th"),
                     short: one.matches(".verdict") && one.scrollWidth > one.clientWidth + 1,
                     at: one.getBoundingClientRect(),
                     inside: (one.closest(".card") ?? document.body).getBoundingClientRect() }));
  const beside = (one) => one.at.right > one.inside.right + 1;
  const over = (one, n) => one.heading && shown[n + 1]?.heading && one.at.right > shown[n + 1].at.left + 1;
  const choices = [...document.querySelectorAll("main select")]
    .filter((one) => one.checkVisibility() && one.offsetWidth > 1 && !one.closest(".away, [role=region][tabindex]"));
  const cut = choices.filter((one) => {
      const alone = one.cloneNode(false);
      alone.append(new Option(one.selectedOptions[0]?.text ?? ""));
      alone.removeAttribute("name");
      Object.assign(alone.style, { position: "absolute", width: "auto", minWidth: "0", maxWidth: "none" });
      one.after(alone);
      const wanted = alone.offsetWidth;
      alone.remove();
      return wanted > one.offsetWidth + 1;
    }).map((one) => `cut off: ${one.selectedOptions[0].text} in ${one.outerHTML.slice(0, 60)}`);
  return [...shown.filter((one, n) => one.short || beside(one) || over(one, n)).map((one) => one.name), ...cut];
}"""
"""Verdicts and choices without their end, what stands out of its card, and headings of a table over each other.

What a region has that scrolls by keyboard can be reached."""


def test_the_pages_fit_a_narrow_screen(stage: Stage, page: sync_api.Page) -> None:
    stage.add(1, at=datetime.now(UTC))
    page.set_viewport_size({"width": 360, "height": 800})

    for path in ("/", "/studies/1.2.3.1", "/rooms", "/rooms/ROOM1", "/sign-in", "/account", "/people", "/look"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert page.evaluate(CUT_OFF) == [], path
        shoot(page, "phone" + path.replace("/", "-"))


def test_nobody_is_kept_out(stage: Stage, page: sync_api.Page) -> None:
    waits = (PendingCause(PendingReason.LOW_CONFIDENCE, "Low confidence: Pneumonia 0.74, below 0.80."),)
    predicted = Prediction("lungs-1.0.0", "ab" * 32, "Pneumonia", 0.74, {"Pneumonia": 0.74}, pending=waits)
    _, digest = stage.add(1, at=datetime.now(UTC), predictions=(predicted,))
    heat = SaliencyMap(np.eye(6, dtype=np.float32), "layercam")
    Artifacts(stage.services.objects).keep_maps(digest, SaliencyMaps(predictions={"lungs-1.0.0": heat}))
    with stage.services.database.begin() as transaction:
        secret = users.invite(transaction, "", datetime.now(UTC) + timedelta(hours=1))

    for path in ("/", "/?show=resolved", "/studies/1.2.3.1", "/rooms", "/rooms/ROOM1", "/sign-in", "/account",
                 "/people", "/look", f"/welcome/{secret}"):  # fmt: skip
        page.goto(path)
        if "studies" in path:
            page.wait_for_selector("[data-ready]")
            page.get_by_label("show where").check()
        assert faults(page) == [], path


def test_the_list_is_worked_through_by_keyboard_and_keeps_its_place_when_it_changes(
    stage: Stage, page: sync_api.Page
) -> None:
    for number in (1, 2):
        stage.add(number)
    page.goto("/")
    sync_api.expect(page.locator("#live")).to_have_text("live")

    stage.add(4, Verdict.ACCEPT)  # two changes in a row: neither may be lost
    page.wait_for_timeout(1100)
    stage.add(5, Verdict.ACCEPT)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    sync_api.expect(page.locator("#picked")).to_have_text("1 selected")
    stage.add(3)
    sync_api.expect(page.locator("li.study")).to_have_count(3)
    sync_api.expect(page.locator("li.study.current")).to_have_attribute("data-study", "1.2.3.1")
    sync_api.expect(page.locator("li.study.current a.open")).to_be_focused()
    sync_api.expect(page.locator("input[name=study]:checked")).to_have_value("1.2.3.1")
    page.keyboard.press("?")
    sync_api.expect(page.get_by_text("next, previous study")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.get_by_label("Your name").fill("mara")
    page.get_by_role("button", name="Claim").click()
    sync_api.expect(page.get_by_role("heading", level=1).last).to_have_text("1 study: claimed")
    sync_api.expect(page.get_by_role("link", name="Back to the list")).to_be_focused()
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("li.study")).to_have_count(3)  # back on the list, before the next page is asked for
    page.goto("/?show=claimed")
    sync_api.expect(page.locator("li.study")).to_have_attribute("data-study", "1.2.3.1")


def test_an_administrator_lets_people_in_by_keyboard_alone(stage: Stage, page: sync_api.Page) -> None:
    for name, role in (("ada", Role.ADMIN), ("jonas", Role.VIEWER), ("ris", Role.SERVICE)):
        add_account(stage, name, role)
    page.goto("/people")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Name").press_sequentially("mara")
    page.keyboard.press("Tab")
    page.keyboard.press("r")  # reviewer
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    sync_api.expect(page.get_by_role("status")).to_contain_text("Give this link to mara")
    assert faults(page) == []
    page.get_by_text("Change ris").focus()
    page.keyboard.press("Enter")
    row = page.locator("li#ris")
    row.get_by_label("Purpose").fill("the information system")
    page.keyboard.press("Enter")
    sync_api.expect(page.get_by_role("status")).to_contain_text("miqa_")
    page.get_by_text("Change ris").click()
    sync_api.expect(row.locator("table")).to_contain_text("the information system")
    shoot(page, "people")
    assert faults(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "phone-people")


def test_the_image_can_be_windowed_zoomed_and_marked(stage: Stage, page: sync_api.Page) -> None:
    _, digest = stage.add(1)
    page.goto("/studies/1.2.3.1")
    page.wait_for_selector("[data-ready]")
    canvas = page.locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    view = "document.querySelector('[data-viewer]').viewer.view"

    def drag(dx: float, dy: float) -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + dx, y + dy, steps=4)
        page.mouse.up()

    bright = last_brightness(page)
    drag(0, 120)
    assert page.evaluate(BRIGHTNESS) < bright - 10, "a higher level is darker"
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate(BRIGHTNESS) == bright
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    assert page.evaluate(f"{view}.zoom") > 2
    page.get_by_role("button", name="Move").click()
    before = page.evaluate(f"{view}.x")
    drag(60, 0)
    assert page.evaluate(f"{view}.x") < before
    canvas.press("0")
    assert page.evaluate(f"{view}.zoom") == 1
    page.get_by_role("button", name="Mark region").click()
    box = canvas.bounding_box()  # above it there is room now for the kinds, below for the list
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag(80, 60)
    page.get_by_label("Region 1 is").select_option("removable")
    page.get_by_label("Your name").fill("mara")
    page.get_by_role("button", name="Retake requested").click()

    sync_api.expect(page.locator(".state")).to_have_text("Resolved: retake requested")
    with stage.services.database.begin() as transaction:
        [label] = labels.of_images(transaction, [digest])
    [region] = label.judgement.regions
    left, top, right, bottom = region.box
    assert region.finding == "foreign_object"
    assert (left, top) == pytest.approx((0.5, 0.5), abs=0.02)
    assert 0.6 < right < 0.75
    assert 0.52 < bottom < 0.65


def test_objects_are_marked_with_one_click_each(stage: Stage, page: sync_api.Page) -> None:
    _, digest = stage.add(1)
    page.goto("/studies/1.2.3.1")
    page.wait_for_selector("[data-ready]")
    kinds = page.get_by_role("toolbar", name="What is marked")
    sync_api.expect(kinds).to_be_hidden()
    page.get_by_role("button", name="Mark region").click()
    chosen = kinds.get_by_role("button", name="Snap", exact=True)
    canvas = page.locator("canvas")

    def click(x: float, y: float) -> None:
        """On the picture, wherever the list below it has moved it to."""
        left, top, width, height = page.evaluate(PICTURE)
        page.mouse.click(left + x * width, top + y * height)

    chosen.click()
    sync_api.expect(chosen).to_have_attribute("aria-pressed", "true")
    click(0.3, 0.6)
    click(0.7, 0.6)
    kinds.get_by_role("button", name="Something worn at the neck").click()
    click(0.5, 0.1)
    kinds.get_by_role("button", name="Electrode or lead").click()
    canvas.press("Enter")
    sync_api.expect(page.get_by_label("Region 4 is")).to_have_value("monitoring")
    sync_api.expect(page.get_by_label("Region 1 is")).to_have_value("snap")
    assert faults(page) == []
    shoot(page, "marks")
    page.get_by_label("Region 2 is").select_option("removable")
    page.get_by_label("Your name").fill("mara")
    page.get_by_role("button", name="Retake requested").click()

    sync_api.expect(page.locator(".state")).to_have_text("Resolved: retake requested")
    with stage.services.database.begin() as transaction:
        [label] = labels.of_images(transaction, [digest])
    marks = label.judgement.regions
    assert [one.kind for one in marks] == ["snap", "removable", "neck", "monitoring"]
    assert [one.finding for one in marks] == [*["foreign_object"] * 3, "device_in_view"]
    assert label.judgement.findings == ("motion_blur", "foreign_object", "device_in_view")
    for mark, middle in zip(marks, ((0.3, 0.6), (0.7, 0.6), (0.5, 0.1), (0.5, 0.5)), strict=True):
        left, top, right, bottom = mark.box
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(middle, abs=0.02)
    left, top, right, bottom = marks[0].box
    assert (right - left, bottom - top) == pytest.approx((0.04, 0.04), abs=0.001)


def test_objects_are_marked_on_an_image_that_no_decision_is_about(stage: Stage, page: sync_api.Page) -> None:
    _, digest = stage.add(1, Verdict.ACCEPT)
    page.goto("/studies/1.2.3.1")
    page.wait_for_selector("[data-ready]")
    keep = page.get_by_role("button", name="Save marks")
    sync_api.expect(keep).to_be_hidden()
    page.get_by_role("button", name="Mark region").click()
    kinds = page.get_by_role("toolbar", name="What is marked")
    sync_api.expect(kinds.get_by_role("button", name="Any region")).to_have_count(0)
    kinds.get_by_role("button", name="Snap", exact=True).click()
    left, top, width, height = page.evaluate(PICTURE)
    page.mouse.click(left + 0.3 * width, top + 0.6 * height)
    sync_api.expect(page.get_by_label("Region 1 is")).to_have_value("snap")
    assert faults(page) == []
    shoot(page, "marks-of-an-accepted-image")
    page.get_by_label("Your name").fill("anna")
    keep.click()
    page.wait_for_selector("[data-ready]")
    page.get_by_role("button", name="Mark region").click()
    sync_api.expect(page.get_by_label("Region 1 is")).to_have_value("snap")
    page.get_by_label("Region 1 is").select_option("neck")
    page.get_by_label("Your name").fill("anna")
    keep.click()
    page.wait_for_selector("[data-ready]")
    with stage.services.database.begin() as transaction:
        [newest] = marks.of_images(transaction, [digest]).values()
    [region] = newest.regions
    assert (region.kind, newest.actor) == ("neck", "anna")
    x0, y0, x1, y1 = region.box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((0.3, 0.6), abs=0.02)


PICTURE = """() => {
    const {canvas, place: [left, top, width, height]} = document.querySelector("[data-viewer]").viewer.view;
    const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
    return [box.left + left / ratio, box.top + top / ratio, width / ratio, height / ratio];
}"""
"""Where the whole picture lies on the page: left, top, width and height in pixels."""


def test_a_room_display_tells_when_the_node_is_gone_and_comes_back(stage: Stage, page: sync_api.Page) -> None:
    page.goto("/rooms/ROOM1")
    sync_api.expect(page.locator("[data-light=idle]")).to_be_visible()
    stage.add(1, at=datetime.now(UTC))
    sync_api.expect(page.locator("[data-light=red]")).to_contain_text("Motion blur")
    sound = page.get_by_role("button", name="Sound")
    assert sound.get_attribute("aria-pressed") == "false", "no sound unless somebody asks for it"
    assert faults(page) == []
    page.get_by_role("button", name="Seen").click()
    sync_api.expect(page.get_by_text("Seen in the room")).to_be_visible()

    page.route("**/now*", lambda route: route.abort("internetdisconnected"))
    stage.add(2, Verdict.ACCEPT, at=datetime.now(UTC))
    sync_api.expect(page.get_by_role("alert")).to_contain_text("No connection")
    sync_api.expect(page.get_by_role("alert")).to_contain_text("Last heard from it at")
    page.unroute("**/now*")
    stage.add(3, Verdict.ACCEPT, at=datetime.now(UTC))

    sync_api.expect(page.locator("[data-light=green]")).to_be_visible()
    sync_api.expect(page.get_by_role("alert")).to_be_hidden()


def last_brightness(page: sync_api.Page) -> float:
    """The brightness of the canvas once it stays the same: it is drawn again when the page has got its last layout."""
    values = [-1.0]

    def is_last() -> bool:
        values.append(float(page.evaluate(BRIGHTNESS)))
        page.wait_for_timeout(200)
        return values[-1] == values[-2]

    wait_until(is_last)
    return values[-1]


BRIGHTNESS = """() => {
    const {canvas} = document.querySelector('[data-viewer]').viewer.view;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i];
    return sum / (data.length / 4);
}"""
