"""Looks at studies in the OHIF viewer with Chromium: what it holds, what it draws, and what it asks of whom."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Page

from miqa_selftest.launch import HOST

STATE = Path(__file__).with_name("look.js").read_text("utf-8")
RENDERED = """() => (window.cornerstone?.getRenderingEngines?.() ?? []).flatMap(engine => engine.getViewports())
    .some(viewport => viewport.getImageIds?.().length && viewport.viewportStatus === "rendered")"""
FORGET = """() => { const {segmentationService, viewportGridService} = window.services;
    [...viewportGridService.getState().viewports.keys()].forEach(
        id => segmentationService.removeSegmentationRepresentations(id)); }"""
NO_TOUR = "localStorage.setItem('shownTours', '[\"basicViewerTour\"]')"
WEBGL_WITHOUT_A_CARD = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
NOTHING_OUTSIDE = f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {HOST}"
PATIENCE_MS = 120_000
SHOWN_MS = 60_000
READING_MS = 300
OHIF_S_OWN = ("__filename is not defined",)
"""OHIF 3.12 carries a module for Node.js that complains in every browser, whatever is shown."""


@dataclass
class Looker:
    """One study in the viewer; ``errors`` and ``outside`` grow while it is open."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def show(self, series_number: int, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Open a series by its thumbnail; the first state that is as wanted and stays so, or the last one in time."""
        self.page.evaluate(FORGET)
        thumbnails = self.page.locator('[data-cy^="study-browser-thumbnail"]')
        thumbnails.filter(has_text=re.compile(rf"S:{series_number}")).first.dblclick()
        before: dict[str, Any] = {}
        for _ in range(SHOWN_MS // READING_MS):
            self.page.wait_for_timeout(READING_MS)
            state: dict[str, Any] = self.page.evaluate(STATE)
            if state == before and until(state):
                break
            before = state
        return state

    @property
    def crashed(self) -> bool:
        """Whether the viewer gave up a part of its page."""
        gone = self.page.locator("text=/went wrong/i").count()
        return gone > 0 or any("Error Boundary" in error for error in self.errors)


@contextmanager
def looking(context: BrowserContext, address: str, study_uid: str) -> Iterator[Looker]:
    """The study in a page of its own, once its image is there; who asks anybody but ``address`` is noted."""
    looker = Looker(context.new_page())

    def note(text: str) -> None:
        if not any(noise in text for noise in OHIF_S_OWN):
            looker.errors.append(text[:300])

    def ask(url: str) -> None:
        if not url.startswith((address, "blob:", "data:")):
            looker.outside.append(url)

    looker.page.set_default_timeout(PATIENCE_MS)
    looker.page.add_init_script(NO_TOUR)
    looker.page.on("request", lambda request: ask(request.url))
    looker.page.on("pageerror", lambda error: note(str(error)))
    looker.page.on("console", lambda messages: note(messages.text) if messages.type == "error" else None)
    try:
        looker.page.goto(f"{address}/viewer?StudyInstanceUIDs={study_uid}", wait_until="domcontentloaded")
        looker.page.wait_for_function(RENDERED, polling=READING_MS)
        yield looker
    finally:
        looker.page.close()


def drawn(canvas: dict[str, Any]) -> NDArray[np.uint8]:
    """What the viewer drew, (rows, columns, 3) RGB."""
    encoded = np.frombuffer(base64.b64decode(canvas["png"].partition(",")[2]), np.uint8)
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[..., ::-1])


def placed(image: NDArray[Any], canvas: dict[str, Any]) -> NDArray[np.float64]:
    """An image of the source's rows and columns as it would lie on the canvas; -1 beside it."""
    origin = np.array(canvas["origin"])
    to_canvas = np.column_stack([np.array(canvas["right"]) - origin, np.array(canvas["down"]) - origin, origin])
    height, width = drawn(canvas).shape[:2]
    return np.asarray(
        cv2.warpAffine(image.astype(np.float64), to_canvas, (width, height), borderValue=(-1.0, -1.0, -1.0))
    )
