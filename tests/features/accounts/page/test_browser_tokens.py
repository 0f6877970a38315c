"""Tokens on the page People in a real browser: made, rotated with an overlap, and revoked by its buttons."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from miqa_node.core.domain.access import Role
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


def status(address: str, token: str) -> int:
    """The answer to a program with this token."""
    request = urllib.request.Request(f"{address}/api/v1/worklist", headers={"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def press(address: str, stage: Stage) -> Iterator[tuple[sync_api.Page, Callable[[str], str]]]:
    """The page People, and a function that presses a button of the account ris: the token that is shown then."""
    add_account(stage, "ada", Role.ADMIN)
    add_account(stage, "ris", Role.SERVICE)
    with chromium() as browser, watched(browser, address, "light") as page:
        page.goto("/sign-in?next=/people")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="People").wait_for()

        def press(button: str) -> str:
            page.get_by_text("Change ris").click()
            if button == "Create a token":
                page.locator("#ris").get_by_label("Purpose").fill("RIS")
            with page.expect_navigation():
                page.locator("#ris").get_by_role("button", name=button).click()
            return "".join(page.locator("code.secret").all_inner_texts())

        yield page, press


def test_a_token_lives_by_the_buttons(address: str, press: tuple[sync_api.Page, Callable[[str], str]]) -> None:
    page, act = press
    first = act("Create a token")
    assert status(address, first) == 200
    second = act("Rotate token 1")
    assert second != first
    assert [status(address, one) for one in (first, second)] == [200, 200], "during the overlap"
    page.get_by_text("Change ris").click()
    shoot(page, "tokens")
    assert faults(page) == []
    page.get_by_text("Change ris").click()

    assert act("Revoke token 1") == ""
    assert [status(address, one) for one in (first, second)] == [401, 200]
    assert act("Revoke token 2") == ""
    assert status(address, second) == 401
    page.get_by_text("Change ris").click()
    states = page.get_by_role("table", name="Tokens of ris").get_by_role("row").all_inner_texts()
    assert [row.split()[-1] for row in states[1:]] == ["revoked", "revoked"]
    assert second not in page.content()
