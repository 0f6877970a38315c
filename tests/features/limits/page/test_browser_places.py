"""The page of a place in a browser: a strip for each finding, its limit, and the images beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.settings import share_dir
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from tests.features.limits.test_rooms import Site, judged
from tests.web.axe import faults
from tests.web.browsing import MARKS, chromium, shoot, watched
from tests.web.serving import serving_phantoms
from tests.web.staging import Stage, staging
from tests.web.test_browser_every_page import SIZES, outside

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]

FINDINGS = ("motion_blur", "unsharp", "noise", "grid_artifact", "rotation_orientation")


def image(number: int, rng: np.random.Generator) -> Assessment:
    """One of a room with its own grain; of sixty a few are worse."""
    strengths = rng.beta(2, 12, len(FINDINGS)) + (0.5 if number % 29 == 0 else 0.0)
    findings = tuple(
        Finding(FindingName(name), reason_code(FindingName(name)), 1.0, float(min(strength, 1.0)), 0.5)
        for name, strength in zip(FINDINGS, strengths, strict=True)
    )
    noise = Measurement("noise_share", float(rng.lognormal(-1.0, 0.25)), "%")
    contrast = Measurement("displayed_contrast", float(rng.normal(40.0, 6.0)), "%")
    return replace(judged(number, 0.1), findings=findings, measurements=(noise, contrast))


def fill_place(stage: Stage) -> None:
    """A room that has learned from its first images, and a few more."""
    site = Site(stage.services.database, read_policy(share_dir("config") / "policy.toml"), learn_images=40)
    rng = np.random.default_rng(94)
    for number in range(1, 48):
        site.judge(image(number, rng))
    site.look()
    for number in range(48, 60):
        site.judge(image(number, rng))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with staging(tmp_path_factory.mktemp("node"), page_size=20) as stage:
        fill_place(stage)
        with serving_phantoms(stage, 512, 512) as web:
            yield web


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_of_a_place_is_accessible_fits_and_shows_why(address: str, language: str) -> None:
    wrong: list[str] = []
    with chromium() as browser, watched(browser, address, "light") as page:
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
        page.goto("/tuning")
        path = page.locator("main a[href^='/tuning/places']").first.get_attribute("href") or ""
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                page.goto(path)
                shoot(page, f"place-{language}-{width}")
                wrong += [f"{scheme} {width}: {one}" for one in (*faults(page), *sorted(outside(page, width)))]
        assert page.locator("main svg[role=img]").count() >= 5
        titles = page.locator("main svg[role=img]").evaluate_all("every => every.map(one => one.ariaLabel)")
        assert all("59" in one for one in titles), titles
        beyond = page.locator("main a[href^='/tuning/images/']")
        assert beyond.count() >= 1, "a person sees which images lie beyond"
    assert wrong == []
