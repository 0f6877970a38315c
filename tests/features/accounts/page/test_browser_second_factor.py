"""The second factor in a real browser: set up by the picture, recovery codes, and the code at the next sign-in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.access import Role
from miqa_node.features.accounts.page.sign_in import codes
from miqa_node.runtime.store.tables import second_factors
from tests.web.axe import faults
from tests.web.browsing import MARKS, chromium, shoot, watched
from tests.web.people import PASSWORD, add_account
from tests.web.serving import serving
from tests.web.staging import Stage

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    with serving(stage.services) as address:
        yield address


def key_in_the_picture(page: sync_api.Page) -> str:
    """As a phone reads it."""
    shown = np.frombuffer(page.get_by_role("img", name="QR code").screenshot(scale="css"), np.uint8)
    picture = cv2.imdecode(shown, cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    text = cv2.QRCodeDetector().detectAndDecode(cv2.resize(picture, None, fx=3, fy=3))[0]
    return text.partition("secret=")[2].partition("&")[0]


def sign_in(page: sync_api.Page) -> None:
    page.goto("/sign-in?next=/account")
    page.get_by_label("Name").fill("mara")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_from_the_picture_to_the_next_sign_in(stage: Stage, address: str) -> None:
    add_account(stage, "mara", Role.REVIEWER)
    with chromium() as browser, watched(browser, address, "dark") as page:
        sign_in(page)
        page.get_by_label("Your password").fill(PASSWORD)
        assert faults(page) == []
        page.get_by_role("button", name="Set up a second factor").click()
        page.get_by_role("heading", name="Set up the second factor").wait_for()
        assert faults(page) == []
        shoot(page, "second-factor")
        key = key_in_the_picture(page)
        page.get_by_role("textbox", name="Code").fill(codes.code_at(key, int(time.time()) // codes.STEP_S).decode())
        page.get_by_role("button", name="Confirm").click()
        page.get_by_role("heading", name="Recovery codes").wait_for()
        assert page.locator("code.secret").count() == 10
        assert faults(page) == []
        page.get_by_role("link", name="I have kept them").click()
        page.get_by_text("10 recovery codes left").wait_for()
        page.get_by_role("button", name="Sign out").click()

        with stage.services.database.begin() as transaction:  # as if the code was used long ago
            transaction.execute(sa.update(second_factors).values(step=0))
        page.get_by_role("heading", name="Sign in").wait_for()
        sign_in(page)
        page.get_by_role("heading", name="Enter the code").wait_for()
        assert faults(page) == []
        page.get_by_role("textbox", name="Code").fill(codes.code_at(key, int(time.time()) // codes.STEP_S).decode())
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="mara").wait_for()
