"""Wrong passwords: few against one account, wherever they claim to come from, while its owner gets in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.settings import load_settings
from miqa_node.features.accounts.page.sign_in.opening import BROWSER_COOKIE
from miqa_node.features.accounts.rows import attempts
from miqa_node.features.accounts.rows.attempts import Client, SignInOutcome
from miqa_node.interfaces.web.access import COOKIE
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.runtime.people.audit import records
from tests.web.people import PASSWORD, add_account, sign_in
from tests.web.staging import Stage

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PUBLIC = "https://miqa.example.org"
Connect = Callable[..., TestClient]
Post = Callable[..., int]


@pytest.fixture
def serve(stage: Stage, tmp_path: Path) -> Iterator[Callable[[str], Post]]:
    """A node with this public address, and who tries passwords from its own host and claims to be elsewhere."""
    with ExitStack() as stack:

        def start(public_url: str) -> Post:
            settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0, "public_url": public_url})
            server = WebServer(create_app(replace(stage.services, settings=settings)), settings.web)
            server.start()
            stack.callback(server.stop)
            address = f"http://127.0.0.1:{server.port}"
            here = stack.enter_context(httpx2.Client(base_url=address, trust_env=False, timeout=60))

            def post(password: str, claimed: str = "", name: str = "ada", **cookies: str) -> int:
                headers = {"origin": public_url or address} | ({"x-forwarded-for": claimed} if claimed else {})
                headers |= {"cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())} if cookies else {}
                here.cookies.clear()
                return here.post("/sign-in", data={"name": name, "password": password}, headers=headers).status_code

            return post

        yield start


@pytest.mark.parametrize("public_url", ["", PUBLIC])
def test_an_address_for_each_guess_gains_nothing(stage: Stage, serve: Callable[[str], Post], public_url: str) -> None:
    add_account(stage, "ada", Role.ADMIN)
    post = serve(public_url)

    answers = [post("guess", f"203.0.113.{number}") for number in range(20)]

    assert answers == [403] * 5 + [429] * 15
    assert post(PASSWORD, "203.0.113.200") == 429
    assert [post("guess", f"198.51.100.{number}", "nobody") for number in range(6)] == [403] * 5 + [429]


def test_the_owner_is_in_meanwhile(stage: Stage, serve: Callable[[str], Post], connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    browser = connect(client="192.0.2.7")
    assert sign_in(browser, "ada").status_code == 303
    post = serve(PUBLIC)
    assert [post("guess", "203.0.113.1") for _ in range(6)] == [403] * 5 + [429]

    assert post(PASSWORD, "192.0.2.7") == 303, "where it signed in from before"
    assert [post("guess", "192.0.2.7") for _ in range(6)] == [403] * 5 + [429]
    assert post(PASSWORD, "192.0.2.7") == 429, "which anybody on the proxy's host may claim"
    cookie = {BROWSER_COOKIE: browser.cookies[BROWSER_COOKIE]}
    assert post(PASSWORD, "192.0.2.7", **cookie) == 303, "and the browser, which nobody else has"
    assert post("guess", "192.0.2.7", "eve", **cookie) == 403, "which is no other account's"


def test_who_was_here_before_waits_for_nobodys_slot(stage: Stage, connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    browser, stranger = connect(client="192.0.2.7"), connect(client="192.0.2.8")
    assert sign_in(browser, "ada").status_code == 303
    slots = stage.services.signing_in
    while slots.enter(f"203.0.113.{slots.taken}"):
        pass

    browser.cookies.delete(COOKIE)
    assert sign_in(stranger, "ada").status_code == 503
    assert sign_in(browser, "ada").status_code == 303


def test_an_hour_of_guesses_from_everywhere(stage: Stage) -> None:
    """Every five seconds from strangers, from each known address, and with a stolen browser."""
    access, browser = load_settings().access, Client("192.0.2.7", "secret")
    tried = 0
    with stage.services.database.begin() as transaction:
        add = attempts.note
        for address in ("192.0.2.7", "192.0.2.8", browser.place):
            add(transaction, "ada", Client(address), "password", SignInOutcome.SIGNED_IN, NOW - timedelta(days=1))
        for number in range(720):
            claimed = ("192.0.2.7", "192.0.2.8", f"203.0.113.{number}")[number % 3]
            client = browser if number % 4 == 3 else Client(claimed)
            now = NOW + timedelta(seconds=5 * number)
            row, allowed = attempts.begin(transaction, "ada", client, "password", access, now)
            outcome = SignInOutcome.REFUSED if allowed else SignInOutcome.THROTTLED
            attempts.end(transaction, row, "ada", client, "password", outcome, now)
            tried += allowed

    assert 40 <= tried <= 60


def test_who_has_to_wait_fills_no_disk(stage: Stage, connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    for number in range(30):
        sign_in(connect(client=f"203.0.113.{number}"), "ada", "guess")
    with stage.services.database.begin() as transaction:
        outcomes = [records.words(row) for row in records.select(transaction, AuditFilter(AuditEvent.SIGN_IN_FAILED))]
    assert sorted(outcomes) == ["outcome refused"] * 5 + ["outcome throttled"]


def test_an_address_is_forgotten(stage: Stage) -> None:
    with stage.services.database.begin() as transaction:
        attempts.note(transaction, "ada", Client("192.0.2.7"), "password", SignInOutcome.SIGNED_IN, NOW)
        for days, is_here in ((89, True), (91, False)):
            assert attempts.is_known(transaction, "ada", NOW + timedelta(days=days), "192.0.2.7") is is_here
        assert not attempts.is_known(transaction, "eve", NOW, "192.0.2.7")


def test_the_trail_names_the_proxy_beside_what_it_claims(stage: Stage, serve: Callable[[str], Post]) -> None:
    add_account(stage, "ada", Role.ADMIN)
    serve("")("guess", "203.0.113.1")
    serve(PUBLIC)("guess", "203.0.113.1")
    with stage.services.database.begin() as transaction:
        rows = records.select(transaction, AuditFilter(AuditEvent.SIGN_IN_FAILED))

    assert {(row.peer, "proxy 127.0.0.1" in records.words(row)) for row in rows} == {
        ("127.0.0.1", False),
        ("203.0.113.1", True),
    }


def test_whom_an_unnamed_proxy_passes_on_is_not_this_host(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"x-forwarded-for": "203.0.113.1"}).status_code == 403
