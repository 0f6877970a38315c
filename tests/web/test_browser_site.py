"""Pages of a site after two months, as people have them: no broken word, nothing outside, the main thing in sight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest
import sqlalchemy as sa

from miqa_node.features.phantoms.tables import phantom_scans
from miqa_node.features.usual_ranges.tables import usual_baselines
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.web.axe import faults
from tests.web.browsing import MARKS, SCREENSHOTS, shoot, watched
from tests.web.layout import below_first_screen, layout_faults
from tests.web.site import MadeSite, served_site, sign_in

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS, pytest.mark.timeout(900)]

Scheme = Literal["dark", "light"]
LOOKS: tuple[tuple[int, int, str, Scheme], ...] = ((1440, 900, "en", "light"), (390, 844, "de", "light"))
MORE_LOOKS = [
    pytest.param(width, height, language, scheme, marks=pytest.mark.long)
    for width, height in ((390, 844), (820, 1180), (1440, 900), (1920, 1080))
    for language in ("en", "de")
    for scheme in ("light", "dark")
    if (width, height, language, scheme) not in LOOKS
]
MAIN_THING = {
    "/": ".studies > li", "/?show=all": ".studies > li", "/?show=resolved": ".studies > li", "/images": "main tbody tr",
    "/rooms": "main a[href^='/rooms/']", "/rooms/CASUALTY": "#now > *", "/phantoms": "main tbody tr",
    "/ranges": "main tbody tr, main .empty, main p",
    "/analysis": "dl.numbers", "/analysis/model": "main h2", "/analysis/labels": "dl.numbers",
    "/analysis/logs": "main form", "/operations": "main h2", "/tuning": "main form, main table, main p",
    "/policy": "main table",
    "/people": "main li", "/account": "main form", "/audit": "main tbody tr", "/look": "main form",
}  # fmt: skip
"""Each main page, and what a person came for: it begins on the first screen."""
WHAT_TO_DO = ".said .advice"
PIXELS = re.compile(r"/images/.*/(pixels|patch|outlines|maps)")
HEADLINE_AND_ROWS = """() => {
  const shown = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
  const row = (one) => one.cells[0].innerText.trim();
  return [shown(".said .what")[0]?.innerText ?? "", shown(".said .limits tbody tr").map(row)];
}"""


REPLACED = """() => {
  const old = Object.assign(document.createElement("p"), { id: "probe", textContent: "before" });
  old.style.width = "10px";
  document.querySelector("main").append(old);
  htmx.swap("#probe", '<p id="probe">after</p>', { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
}"""


@dataclass(frozen=True)
class Panel:
    """What the page of a study says first."""

    of: str
    faults: list[str]
    headline: str
    rows: list[str]
    """What each row of numbers is about."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeSite]:
    with served_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def histories(site: MadeSite) -> dict[str, str]:
    """Pages behind a list: of a phantom and of a scanner with the longest history."""
    scans, ranges = phantom_scans.c, usual_baselines.c
    longest = sa.select(scans.history).group_by(scans.history).order_by(sa.func.count().desc())
    baseline = sa.select(ranges.baseline).order_by(ranges.series.desc())
    return {f"/phantoms/log/{site.first(longest)}": "main h1", f"/ranges/{site.first(baseline)}": "main h1"}


@pytest.mark.parametrize(("width", "height", "language", "scheme"), [*LOOKS, *MORE_LOOKS])
def test_pages_of_a_busy_site(
    browser: sync_api.Browser, site: MadeSite, width: int, height: int, language: str, scheme: Scheme
) -> None:
    wrong: list[str] = []
    # Studies of all kinds in this look are those of the next test.
    shown = [] if (width, language) == (1440, "en") else site.one_of_each_kind()
    kinds = dict.fromkeys((f"/studies/{one}" for one in shown), WHAT_TO_DO)
    with looking(browser, site, width, height, language, scheme) as page:
        for path, main_thing in {**MAIN_THING, **histories(site), **kinds}.items():
            page.goto(path, wait_until="load")
            of_page = [*layout_faults(page), *below_first_screen(page, main_thing)]
            if path in MAIN_THING:
                of_page += faults(page)
            wrong += [f"{path}: {one}" for one in of_page]
            shoot(page, f"site-{language}-{width}{path.replace('/', '-').replace('?', '-')}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def panels(browser: sync_api.Browser, site: MadeSite) -> list[Panel]:
    """Of every flagged study of the site."""
    pages = []
    with looking(browser, site, 1440, 900, "en", "light") as page:
        for study, kind in site.flagged().items():
            page.goto(f"/studies/{study}", wait_until="domcontentloaded")
            wrong = [*layout_faults(page), *below_first_screen(page, WHAT_TO_DO)]
            pages.append(Panel(f"/studies/{study} ({kind})", wrong, *page.evaluate(HEADLINE_AND_ROWS)))
    return pages


def test_the_panel_of_every_flagged_study(panels: list[Panel]) -> None:
    wrong = [f"{one.of}: {fault}" for one in panels for fault in one.faults]
    assert not wrong, "\n".join(wrong)
    assert len(panels) > 10


def test_numbers_of_the_headline_are_first_in_the_table(panels: list[Panel]) -> None:
    wrong = []
    for one in panels:
        parts = [
            part.partition(",")[0] for part in re.split(r"[;.] ", one.headline) if not re.search("pixels|…$", part)
        ]
        first = [row.casefold() for row in one.rows[: len(parts)]]
        missing = [part for part in parts if not any(row.startswith(part.casefold()) for row in first)]
        wrong += [f"{one.of}: {missing} of “{one.headline}” not in {one.rows[: len(parts)]}"] * bool(missing)
    assert not wrong, "\n".join(wrong)


@contextmanager
def looking(
    browser: sync_api.Browser, site: MadeSite, width: int, height: int, language: str, scheme: Scheme
) -> Iterator[sync_api.Page]:
    """A page of somebody who is signed in."""
    with watched(browser, site.address, scheme) as page:
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": "en", "url": site.address}])
        page.set_viewport_size({"width": width, "height": height})
        if not SCREENSHOTS:  # no rule is about pixels, and they are dear
            page.route(PIXELS, lambda route: route.abort("internetdisconnected"))
        sign_in(page)
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": site.address}])
        yield page


def test_a_part_that_is_replaced_keeps_no_style_that_the_page_forbids(
    browser: sync_api.Browser, site: MadeSite
) -> None:
    """Content Security Policy refuses attributes of style, which htmx copies from an element to its successor."""
    with looking(browser, site, 1440, 900, "en", "light") as page:
        page.goto("/")
        texts: list[str] = []
        page.on("console", lambda message: texts.append(message.text))
        page.evaluate(REPLACED)
        page.locator("#probe", has_text="after").wait_for()
        page.wait_for_function("!document.querySelector('#probe').matches('.htmx-settling, .htmx-added')")
    assert texts == []
