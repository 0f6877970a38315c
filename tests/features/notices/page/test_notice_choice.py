"""A person chooses notices by e-mail: on the account page, or by REST, and only for oneself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store.tables import acquisition_days
from tests.web.people import ORIGIN, add_account, add_token, sign_in
from tests.web.staging import Stage

OWN = "/api/v1/accounts/own/notices"
COUNTS = ("images", "judged", "flagged", "rejected", "repeated", "escaped", "suspected", "di_count", "di_sum",
          "di_squares", "di_low", "di_high", "ei_count", "ei_log_sum")  # fmt: skip


@pytest.fixture
def browser(stage: Stage) -> Iterator[TestClient]:
    """That of a viewer of a node that sends mail, and that had an image in ROOM1 today."""
    notices = load_settings(notices={"smtp_host": "mail.example", "sender": "miqa@example.org"}).notices
    settings = stage.services.settings.model_copy(update={"notices": notices})
    row = {"day": datetime.now(UTC).date(), "modality": "DX", "within": "", "within_value": "", "dimension": "room"}
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.insert(acquisition_days).values(**row, value="ROOM1", **dict.fromkeys(COUNTS, 0)))
    add_account(stage, "ada", Role.ADMIN)
    add_account(stage, "vera", Role.VIEWER)
    with TestClient(
        create_app(replace(stage.services, settings=settings)), ORIGIN["origin"], follow_redirects=False
    ) as one:
        assert sign_in(one, "vera").status_code == 303
        yield one


def test_the_choice_stands_on_the_account_page(browser: TestClient) -> None:
    page = browser.get("/account").text
    assert '<h2 id="notices">Notices by e-mail</h2>' in page
    assert 'name="room" value="ROOM1">' in page
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"csrf": csrf, "address": "vera@example.org", "room": ["ROOM1", "OLD"], "escalation": "true"}
    done = browser.post("/account/notices", data=form, headers=ORIGIN)
    assert (done.status_code, done.headers["location"]) == (303, "/account#notices")

    page = browser.get("/account").text
    for room in form["room"]:
        assert f'name="room" value="{room}" checked>' in page
    assert 'value="vera@example.org"' in page
    assert 'name="escalation" value="true" checked>' in page
    assert 'name="digest" value="true">' in page
    assert (
        browser.post("/account/notices", data={"csrf": csrf, "quiet_from": "22:00"}, headers=ORIGIN).status_code == 422
    )


def test_a_program_reads_and_chooses_its_own_by_rest(stage: Stage, browser: TestClient) -> None:
    token = add_token(stage, "vera", Permission.READ)
    browser.cookies.clear()
    assert browser.get(OWN, headers=token).json()["address"] == ""
    wish = {"address": "vera@example.org", "rooms": ["ROOM1"], "digest": True, "escalation": False}
    assert browser.post(OWN, json=wish, headers=token).status_code == 200
    assert browser.get(OWN, headers=token).json().items() >= wish.items()
    assert browser.post("/api/v1/accounts/vera/disable", json={}, headers=token).status_code == 403


def test_a_node_without_a_mail_server_asks_nobody(stage: Stage, client: TestClient) -> None:
    add_account(stage, "vera", Role.VIEWER)
    assert sign_in(client, "vera").status_code == 303
    assert "Notices by e-mail" not in client.get("/account").text
