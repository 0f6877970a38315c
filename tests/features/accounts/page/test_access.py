"""Who may do what: accounts, sessions, roles, tokens, the link that sets the node up, and attempts to get in."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.errors import AccessError
from miqa_node.features.accounts.rows import attempts
from miqa_node.features.accounts.rows.attempts import Client, SignInOutcome
from miqa_node.interfaces.web.access import CSRF_HEADER, check_csrf, permission_of
from miqa_node.runtime.people import accounts, sessions, tokens, users
from miqa_node.runtime.store import tables
from tests.web.people import ORIGIN, PASSWORD, add_account, add_token, sign_in, signed_in
from tests.web.staging import Stage, csrf, phantom_png

CLAIM = "/api/v1/worklist/1.2.3.1/claim"
PUBLIC = {
    *("/healthz", "/readyz", "/metrics", "/sign-in", "/sign-out", "/sign-on", "/sign-on/back", "/welcome/{secret}"),
    *("/sign-in/code", "/sign-in/enrol"),  # after the password
    "/sign-on/logout",  # proven by the provider's signature
    "/api/v1/tokens/own/rotate",  # whoever shows a token, whatever it allows
}
Connect = Callable[..., TestClient]


def routes(app: FastAPI) -> list[tuple[APIRoute, list[Any]]]:
    """Every operation with what it depends on, the dependencies of its page included."""
    operations = []
    waiting: list[tuple[Any, list[Any]]] = [(route, []) for route in app.routes]
    while waiting:
        route, outer = waiting.pop()
        if isinstance(route, APIRoute):
            operations.append((route, outer + [one.call for one in route.dependant.dependencies]))
        elif inner := getattr(route, "original_router", None):
            added = [one.dependency for one in route.include_context.dependencies]
            waiting.extend((one, outer + added) for one in inner.routes)
    return operations


ACKNOWLEDGE = "/rooms/{station:path}/acknowledge"
"""The one change that a wall display's key may make: somebody in the room has read the verdict. It decides nothing."""


def test_every_route_says_who_may_call_it_and_changes_are_protected(app: FastAPI) -> None:
    every = routes(app)

    assert {route.path for route, _ in every if permission_of(route) is None} == PUBLIC
    assert len(every) > len(PUBLIC)
    changing = [one for one in every if (one[0].methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}]
    assert changing
    for route, dependencies in changing:
        assert check_csrf in dependencies, route.path
        if route.path == ACKNOWLEDGE:
            assert permission_of(route) is Permission.DISPLAY
        elif route.path not in PUBLIC and not route.path.startswith(("/account", "/api/v1/accounts/own/")):
            assert permission_of(route) not in (None, Permission.READ, Permission.DISPLAY), route.path


def test_from_the_first_account_on_everybody_signs_in(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    assert client.get("/").status_code == 200
    add_account(stage, "ada", Role.ADMIN)

    page = client.get("/studies/1.2.3.1?x=1", headers={"accept": "text/html"})
    program = client.get("/api/v1/worklist")

    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Fstudies%2F1.2.3.1%3Fx%3D1")
    assert (program.status_code, program.headers["www-authenticate"]) == (401, "Bearer")
    assert client.post(CLAIM, json={"actor": "mara"}).status_code == 401
    assert client.get(f"/previews/{'0' * 64}.png").status_code == 401


def test_over_https_the_cookie_is_secure(stage: Stage, connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    browser = connect(base_url="https://miqa.example")

    answer = browser.post(
        "/sign-in", data={"name": "ada", "password": PASSWORD}, headers={"origin": "https://miqa.example"}
    )

    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
def test_signing_in_leads_nowhere_else(stage: Stage, client: TestClient, target: str) -> None:
    add_account(stage, "ada", Role.ADMIN)

    assert sign_in(client, "ada", next=target).headers["location"] == "/"


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("ada", ""), ("\x00", "x")])
def test_wrong_names_and_passwords_read_the_same(stage: Stage, client: TestClient, name: str, password: str) -> None:
    add_account(stage, "ada", Role.ADMIN)

    answer = sign_in(client, name, password)

    assert answer.status_code in (403, 422)
    assert "set-cookie" not in answer.headers
    if answer.status_code == 403:
        assert "Name or password is wrong." in answer.text


def test_many_wrong_passwords_must_wait_and_the_right_one_too(stage: Stage, connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    attacker, elsewhere = connect(client="10.0.0.66"), connect(client="10.0.0.7")
    assert sign_in(elsewhere, "ada").status_code == 303
    elsewhere.cookies.clear()
    for _ in range(stage.services.settings.access.sign_in_failures):
        assert sign_in(attacker, "ada", "guess").status_code == 403

    throttled = sign_in(attacker, "ada")

    assert throttled.status_code == 429
    assert "Wait 15 minutes" in throttled.text
    assert sign_in(elsewhere, "ada").status_code == 303, "nobody can lock others out of where they were"


def test_an_address_that_tries_many_names_must_wait(stage: Stage, connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    now = datetime.now(UTC)
    with stage.services.database.begin() as transaction:
        for _ in range(stage.services.settings.access.sign_in_failures_per_address):
            attempts.note(transaction, "", Client("10.0.0.66"), "password", SignInOutcome.REFUSED, now)

    assert sign_in(connect(client="10.0.0.66"), "ada").status_code == 429


def test_who_tried_to_sign_in_is_kept_without_passwords_and_without_unknown_names(
    stage: Stage, client: TestClient, logged: list[MutableMapping[str, object]]
) -> None:
    add_account(stage, "ada", Role.ADMIN)
    sign_in(client, "hunter2-typed-into-the-name", "also secret")
    sign_in(client, "ada", "a wrong secret")
    sign_in(client, "ada")

    with stage.services.database.begin() as transaction:
        rows = transaction.execute(sa.select(tables.sign_ins)).all()

    assert [(row.name, row.outcome, row.means) for row in rows[1:]] == [
        ("ada", "refused", "password"),
        ("ada", "signed in", "password"),
        ("ada", "signed in", "browser"),
    ]
    assert re.fullmatch("#[0-9a-f]{4}", rows[0].name), "so that names without an account are slowed down alike"
    everything = f"{rows} {logged}"
    assert "secret" not in everything
    assert "hunter2" not in everything
    assert PASSWORD not in everything


def test_only_hashes_of_secrets_are_kept(stage: Stage, client: TestClient) -> None:
    add_account(stage, "ada", Role.ADMIN)
    sign_in(client, "ada")
    token = add_token(stage, "ada", Permission.READ)["authorization"].split()[1]
    with stage.services.database.begin() as transaction:
        link = users.invite(transaction, "ada", datetime.now(UTC) + timedelta(days=1))

    with stage.services.database.begin() as transaction:
        rows = str([transaction.execute(sa.select(table)).all() for table in tables.all_tables().sorted_tables])

    assert "$argon2id$" in rows
    for secret in (PASSWORD, token, link, client.cookies["miqa_session"]):
        assert secret not in rows


def test_sessions_end_by_themselves(stage: Stage) -> None:
    add_account(stage, "ada", Role.ADMIN)
    now = datetime.now(UTC)
    times: dict[str, Any] = {"idle": timedelta(hours=1), "lifetime": timedelta(hours=3)}
    with stage.services.database.begin() as transaction:
        secret = sessions.start(transaction, "ada", now, most=2)

        def alive(minutes: int) -> bool:
            return sessions.find(transaction, secret, now + timedelta(minutes=minutes), **times) is not None

        assert [alive(minutes) for minutes in (0, 59, 118, 176, 181)] == [True, True, True, True, False]
        assert alive(0), "being refused changes nothing"
        sessions.forget_ended(transaction, now + timedelta(hours=4), **times)
        assert not alive(0)


def test_an_account_has_a_limited_number_of_sessions(stage: Stage) -> None:
    add_account(stage, "ada", Role.ADMIN)
    now = datetime.now(UTC)
    times: dict[str, Any] = {"idle": timedelta(hours=1), "lifetime": timedelta(hours=3)}
    with stage.services.database.begin() as transaction:
        secrets = [sessions.start(transaction, "ada", now + timedelta(seconds=n), most=2) for n in range(3)]
        alive = [sessions.find(transaction, secret, now, **times) is not None for secret in secrets]

    assert alive == [False, True, True]


@pytest.mark.parametrize(
    ("role", "page", "decide", "refused_page"),
    [(Role.VIEWER, 200, 403, True), (Role.REVIEWER, 200, 200, False), (Role.ADMIN, 200, 200, False)],
)
def test_roles(stage: Stage, connect: Connect, role: Role, page: int, decide: int, refused_page: bool) -> None:
    stage.add(1)
    browser = signed_in(stage, connect, "kim", role)

    answer = browser.post(CLAIM, json={}, headers={CSRF_HEADER: csrf(browser)})

    assert browser.get("/").status_code == page
    assert answer.status_code == decide
    if decide == 200:
        assert answer.json()["claimed_by"] == "kim"
    study = browser.get("/studies/1.2.3.1").text
    assert ("Only reviewers can claim" in study) is refused_page
    assert "Your name" not in study


def test_nobody_acts_under_anothers_name(stage: Stage, connect: Connect) -> None:
    stage.add(1)
    browser = signed_in(stage, connect, "kim", Role.REVIEWER)

    answer = browser.post(CLAIM, json={"actor": "mara"}, headers={CSRF_HEADER: csrf(browser)})

    assert answer.status_code == 403
    assert "cannot act as somebody else" in answer.json()["detail"]


def test_on_this_host_forms_need_their_token_too(stage: Stage, client: TestClient) -> None:
    stage.add(1)

    assert client.post("/studies/1.2.3.1/claim", data={"actor": "mara"}, headers=ORIGIN).status_code == 403


def test_tokens_allow_what_their_scopes_and_their_accounts_role_allow(stage: Stage, connect: Connect) -> None:
    stage.add(1)
    add_account(stage, "ris", Role.SERVICE)
    add_account(stage, "eve", Role.VIEWER)
    program = connect(client="10.0.0.7")
    reads = add_token(stage, "ris", Permission.READ)
    decides = add_token(stage, "ris", Permission.READ, Permission.REVIEW)
    too_much = add_token(stage, "eve", Permission.READ, Permission.REVIEW)

    assert program.get("/api/v1/worklist", headers=reads).status_code == 200
    assert program.post(CLAIM, json={}, headers=reads).status_code == 403
    assert program.post(CLAIM, json={}, headers=too_much).status_code == 403
    assert program.post(CLAIM, json={}, headers=decides).json()["claimed_by"] == "ris"
    assert program.post(CLAIM, json={"actor": "mara"}, headers=decides).json()["claimed_by"] == "mara via ris"
    with stage.services.database.begin() as transaction:
        users.set_role(transaction, "ris", Role.VIEWER)
    assert program.post(CLAIM, json={}, headers=decides).status_code == 403


def test_pages_are_for_people_and_programs_have_rest_pictures_and_displays(stage: Stage, connect: Connect) -> None:
    study, digest = stage.add(1, preview=phantom_png())
    add_account(stage, "ris", Role.SERVICE)
    program, token = connect(client="10.0.0.7"), add_token(stage, "ris", *Role.SERVICE.permissions)
    for path in ("/", "/images", "/look", "/analysis/rejects.csv", "/account", "/readings", f"/studies/{study}"):
        answer = program.get(path, headers=token | {"accept": "text/html"})
        assert answer.status_code == 403, path
        assert "programs use the REST interface" in answer.text
    sent = {"resolution": "confirmed", "reason": "111210", "sure": "true"}
    assert program.post(f"/studies/{study}/resolve", data=sent, headers=token).status_code == 403
    assert program.get(f"/api/v1/worklist/{study}", headers=token).json()["state"] == "OPEN"

    for path in (f"/previews/{digest}.png", "/rooms", f"/rooms?key={token['authorization'].split()[1]}"):
        assert program.get(path, headers=token).status_code == 200, path
    add_account(stage, "kim", Role.REVIEWER)
    assert program.get("/", headers=add_token(stage, "kim", Permission.READ)).status_code == 200


def test_tokens_that_end_are_revoked_or_belong_to_disabled_accounts(stage: Stage, connect: Connect) -> None:
    add_account(stage, "ris", Role.SERVICE)
    program = connect(client="10.0.0.7")
    now = datetime.now(UTC)
    old = add_token(stage, "ris", Permission.READ, expires_at=now - timedelta(seconds=1))
    revoked, alive = add_token(stage, "ris", Permission.READ), add_token(stage, "ris", Permission.READ)
    with stage.services.database.begin() as transaction:
        tokens.revoke(transaction, tokens.every(transaction)[1].token_id, now)

    def status(header: dict[str, str]) -> int:
        return program.get("/api/v1/worklist", headers=header).status_code

    assert [status(header) for header in (old, revoked, alive)] == [401, 401, 200]
    assert status({"authorization": "Bearer miqa_nonsense"}) == 401
    assert status({"authorization": "Basic cmlzOng="}) == 401
    with stage.services.database.begin() as transaction:
        assert tokens.every(transaction, "ris")[2].used_at is not None
        users.set_disabled(transaction, "ris", disabled=True, now=now)
    assert status(alive) == 401


def test_a_disabled_account_is_out_at_once(stage: Stage, connect: Connect) -> None:
    browser = signed_in(stage, connect, "kim", Role.REVIEWER)
    with stage.services.database.begin() as transaction:
        users.set_disabled(transaction, "kim", disabled=True, now=datetime.now(UTC))

    assert browser.get("/").status_code == 401
    assert sign_in(browser, "kim").status_code == 403


def test_the_set_up_link_makes_the_first_administrator_and_works_once(stage: Stage, connect: Connect) -> None:
    browser = connect(client="10.0.0.7")
    with stage.services.database.begin() as transaction:
        secret = users.invite(transaction, "", datetime.now(UTC) + timedelta(hours=1))
    form = {"name": "Ada", "password": PASSWORD, "again": PASSWORD}

    assert "Set up this node" in browser.get(f"/welcome/{secret}").text
    short = browser.post(f"/welcome/{secret}", data={**form, "password": "short", "again": "short"}, headers=ORIGIN)
    easy = browser.post(f"/welcome/{secret}", data={**form, "password": "ada" * 5, "again": "ada" * 5}, headers=ORIGIN)
    unequal = browser.post(f"/welcome/{secret}", data={**form, "again": "another"}, headers=ORIGIN)
    made = browser.post(f"/welcome/{secret}", data=form, headers=ORIGIN)

    assert [answer.status_code for answer in (short, easy, unequal, made)] == [403, 403, 403, 303]
    assert "12 to 256 characters" in short.text
    assert "too easy" in easy.text
    assert "differ" in unequal.text
    assert browser.get("/account").text.count("admin")
    again = connect(client="10.0.0.7")
    assert again.get(f"/welcome/{secret}").status_code == 410
    assert again.post(f"/welcome/{secret}", data={**form, "name": "eve"}, headers=ORIGIN).status_code == 410
    assert sign_in(again, "ada").status_code == 303
    with stage.services.database.begin() as transaction:
        (event,) = accounts.events(transaction, limit=9)
    assert (event.name, event.action.value, event.actor) == ("ada", "added", "one-time link")


def test_on_the_nodes_own_host_the_set_up_link_works_as_well(stage: Stage, client: TestClient) -> None:
    with stage.services.database.begin() as transaction:
        secret = users.invite(transaction, "", datetime.now(UTC) + timedelta(hours=1))
    form = {"name": "ada", "password": PASSWORD, "again": PASSWORD}
    sent = re.search('name="csrf" value="([0-9a-f]+)"', client.get(f"/welcome/{secret}").text)

    assert sent is not None
    assert client.post(f"/welcome/{secret}", data=form, headers=ORIGIN).status_code == 403, "as any form of this host"
    assert client.post(f"/welcome/{secret}", data={**form, "csrf": sent[1]}, headers=ORIGIN).status_code == 303
    assert ">ada<" in client.get("/").text


def test_links_grow_old_and_a_new_one_takes_the_place_of_the_one_before(stage: Stage) -> None:
    now = datetime.now(UTC)
    with stage.services.database.begin() as transaction:
        first = users.invite(transaction, "", now + timedelta(hours=1))
        second = users.invite(transaction, "", now + timedelta(hours=1))
        assert users.invited(transaction, second, now) == ""
        for secret, at in ((first, now), (second, now + timedelta(hours=2))):
            with pytest.raises(AccessError):
                users.invited(transaction, secret, at)


def test_a_set_up_link_is_worth_nothing_once_there_is_an_account(stage: Stage, connect: Connect) -> None:
    with stage.services.database.begin() as transaction:
        secret = users.invite(transaction, "", datetime.now(UTC) + timedelta(hours=1))
    add_account(stage, "ada", Role.ADMIN)

    assert connect(client="10.0.0.7").get(f"/welcome/{secret}").status_code == 410


def test_changing_the_password_signs_other_browsers_out(stage: Stage, connect: Connect) -> None:
    browser = signed_in(stage, connect, "kim", Role.VIEWER)
    other = connect(client="10.0.0.8")
    sign_in(other, "kim")
    new = "another long sentence"
    form = {"csrf": csrf(browser), "password": PASSWORD, "new": new, "again": new}

    wrong = browser.post("/account/password", data={**form, "password": "guess"}, headers=ORIGIN)
    changed = browser.post("/account/password", data=form, headers=ORIGIN)

    assert (wrong.status_code, changed.status_code) == (403, 303)
    assert "The present password is wrong" in wrong.text
    assert "The password was changed" in browser.get(changed.headers["location"]).text
    assert browser.get("/").status_code == 200
    assert other.get("/").status_code == 401
    assert sign_in(other, "kim").status_code == 403
    assert sign_in(other, "kim", new).status_code == 303


def test_pages_say_who_is_signed_in(stage: Stage, connect: Connect, client: TestClient) -> None:
    assert ">this host<" in client.get("/").text
    browser = signed_in(stage, connect, "kim", Role.VIEWER)

    assert ">kim<" in browser.get("/").text
    assert not re.search("Your name", browser.get("/account").text)


def test_a_program_has_no_pages_even_if_it_was_a_person(stage: Stage, connect: Connect) -> None:
    browser = signed_in(stage, connect, "mara", Role.REVIEWER)

    def as_role(role: Role) -> None:
        with stage.services.database.begin() as transaction:
            accounts.set_role(transaction, "mara", role, "ada", datetime.now(UTC))

    as_role(Role.SERVICE)
    assert browser.get("/api/v1/worklist").status_code == 401
    assert sign_in(connect(client="10.0.0.8"), "mara").status_code == 403
    as_role(Role.REVIEWER)
    assert sign_in(connect(client="10.0.0.8"), "mara").status_code == 303


@pytest.mark.more
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


@pytest.mark.more
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
