"""Who may do what: accounts, sessions, roles, tokens, the link that sets the node up, and attempts to get in."""

from __future__ import annotations

import pytest

from miqa_node.core.domain.access import Role
from miqa_node.interfaces.web.access import CSRF_HEADER
from tests.features.accounts.page.test_access import CLAIM, Connect
from tests.web.people import ORIGIN, add_account, sign_in, signed_in
from tests.web.staging import Stage, csrf


def test_signing_in_leads_to_the_page_that_was_asked_for_and_out_again(stage: Stage, connect: Connect) -> None:
    stage.add(1)
    add_account(stage, "ada", Role.ADMIN)
    browser = connect(client="10.0.0.7")

    answer = sign_in(browser, "Ada", next="/studies/1.2.3.1")

    assert (answer.status_code, answer.headers["location"]) == (303, "/studies/1.2.3.1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert browser.get("/studies/1.2.3.1").status_code == 200
    assert browser.get("/sign-in").status_code == 303, "who is signed in needs no form"
    cookies = dict(browser.cookies)
    assert browser.post("/sign-out", data={"csrf": csrf(browser)}, headers=ORIGIN).status_code == 303
    assert browser.get("/").status_code == 401
    browser.cookies.update(cookies)
    assert browser.get("/").status_code == 401, "the session ended, not just the cookie"


@pytest.mark.parametrize("token", [None, "", "0" * 64, "of another session"])
def test_changes_need_the_token_of_this_session(stage: Stage, connect: Connect, token: str | None) -> None:
    stage.add(1)
    other = csrf(signed_in(stage, connect, "mara", Role.REVIEWER))
    browser = signed_in(stage, connect, "kim", Role.REVIEWER)
    value = other if token == "of another session" else token
    headers = {} if value is None else {CSRF_HEADER: value}
    form = {} if value is None else {"csrf": value}

    answers = [
        browser.post(CLAIM, json={}, headers=headers),
        browser.post("/studies/1.2.3.1/claim", data={"x": "1", **form}, headers=ORIGIN),
        browser.post("/sign-out", data={"x": "1", **form}, headers=ORIGIN),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "out of date" in answers[0].json()["detail"]
    assert browser.get("/").status_code == 200
