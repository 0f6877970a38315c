"""The administrator's page: accounts, links and tokens, each change under the name of who made it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.runtime.people import accounts, users
from tests.web.people import ORIGIN, PASSWORD, add_account, add_token, sign_in, signed_in
from tests.web.staging import Stage, csrf

Connect = Callable[..., TestClient]


@pytest.fixture
def admin(stage: Stage, connect: Connect) -> TestClient:
    return signed_in(stage, connect, "ada", Role.ADMIN)


def send(client: TestClient, path: str, **values: object) -> Any:
    return client.post(path, data={"csrf": csrf(client, "/people"), **values}, headers=ORIGIN)


def secret(page: str) -> str:
    match = re.search(r'<code class="secret">([^<]+)</code>', page)
    assert match is not None, page
    return match[1]


def did(stage: Any) -> list[tuple[str, str, str, str]]:
    with stage.services.database.begin() as transaction:
        result = accounts.events(transaction, limit=100)
    return [(one.actor, one.action.value, one.name, one.detail) for one in reversed(result)]


def test_a_new_reviewer_gets_a_link_chooses_a_password_and_signs_in(
    stage: Stage, admin: TestClient, connect: Connect
) -> None:
    made = send(admin, "/people", name="Mara", role="reviewer")
    link = secret(made.text)

    assert made.status_code == 200
    assert link.startswith("http://localhost:8080/welcome/")
    assert "For another machine" in made.text, "localhost is the node's own host only"
    assert link not in admin.get("/people").text, "the link is shown once"
    assert "new link for a password" in admin.get("/people").text
    her = connect(client="10.0.0.8")
    address = link.removeprefix("http://localhost:8080")
    assert her.post(address, data={"password": PASSWORD, "again": PASSWORD}, headers=ORIGIN).status_code == 303
    assert her.get("/").status_code == 200
    assert her.get("/people").status_code == 403
    assert 'href="/people"' not in her.get("/").text
    assert "mara</h3>" in admin.get("/people").text
    assert did(stage) == [
        ("ada", "added", "mara", "reviewer"),
        ("ada", "link", "mara", ""),
        ("one-time link", "password chosen", "mara", ""),
    ]


def test_roles_sessions_and_shutting_out(stage: Stage, admin: TestClient, connect: Connect) -> None:
    mara = signed_in(stage, connect, "mara", Role.REVIEWER)
    assert "signed in with 1 browser, last seen" in admin.get("/people").text

    assert (
        send(admin, "/people/change", name="mara", change="role", role="viewer").headers["location"] == "/people#mara"
    )
    assert mara.post("/studies/1.2/claim", data={"csrf": csrf(mara)}, headers=ORIGIN).status_code == 403
    assert send(admin, "/people/change", name="mara", change="sign-out").status_code == 303
    assert mara.get("/").status_code == 401
    assert sign_in(mara, "mara").status_code == 303
    assert send(admin, "/people/change", name="mara", change="disable").status_code == 303
    assert mara.get("/").status_code == 401
    assert sign_in(mara, "mara").status_code == 403
    refused = send(admin, "/people/change", name="mara", change="link")
    assert (refused.status_code, "mara is disabled" in refused.text) == (409, True)
    assert send(admin, "/people/change", name="mara", change="enable").status_code == 303
    assert sign_in(mara, "mara").status_code == 303
    assert [one[1:] for one in did(stage)] == [
        ("role", "mara", "viewer"), ("signed out", "mara", ""), ("disabled", "mara", ""), ("enabled", "mara", ""),
    ]  # fmt: skip


def test_tokens_are_made_shown_once_and_revoked(stage: Stage, admin: TestClient, connect: Connect) -> None:
    send(admin, "/people", name="ris", role="service")
    made = send(admin, "/people/tokens", name="ris", scope=["read", "upload"], label="RIS", days="30")
    token = secret(made.text)
    program = connect(client="10.0.0.9")
    shown = {"authorization": f"Bearer {token}"}

    assert program.get("/api/v1/worklist", headers=shown).status_code == 200
    page = admin.get("/people").text
    assert token not in page
    assert "RIS" in page
    assert "read, upload" in page
    assert send(admin, "/people/tokens", name="ris", scope=["admin"], days="30").status_code == 409
    assert send(admin, "/people/tokens", name="ris", days="30").status_code == 409, "a token that allows nothing"
    [number] = set(re.findall(r'name="token_id" value="(\d+)"', page))
    assert send(admin, "/people/tokens/revoke", name="ris", token_id=number).status_code == 303
    assert program.get("/api/v1/worklist", headers=shown).status_code == 401
    assert send(admin, "/people/tokens/revoke", name="ris", token_id=number).status_code == 409
    assert did(stage)[-2:] == [
        ("ada", "token added", "ris", "RIS: read upload"), ("ada", "token revoked", "ris", "RIS"),
    ]  # fmt: skip


def test_a_token_is_rotated_and_the_old_one_works_on_for_the_overlap(
    stage: Stage, admin: TestClient, connect: Connect
) -> None:
    send(admin, "/people", name="ris", role="service")
    old = secret(send(admin, "/people/tokens", name="ris", scope=["read"], label="RIS", days="30").text)
    [number] = set(re.findall(r'name="token_id" value="(\d+)"', admin.get("/people").text))
    new = secret(send(admin, "/people/tokens/rotate", name="ris", token_id=number).text)
    program = connect(client="10.0.0.9")

    def answer(token: str) -> int:
        return program.get("/api/v1/worklist", headers={"authorization": f"Bearer {token}"}).status_code

    assert (answer(old), answer(new)) == (200, 200)
    assert new not in admin.get("/people").text
    newest = secret(send(admin, "/people/tokens/rotate", name="ris", token_id=str(int(number) + 1), hours="0").text)
    assert (answer(old), answer(new), answer(newest)) == (200, 401, 200)
    assert send(admin, "/people/tokens/rotate", name="ris", token_id="999").status_code == 409
    assert did(stage)[-1] == ("ada", "token rotated", "ris", f"{int(number) + 1} by {int(number) + 2}, RIS")


def test_the_last_administrator_stays(stage: Stage, admin: TestClient) -> None:
    for change in ({"change": "disable"}, {"change": "role", "role": "viewer"}):
        refused = send(admin, "/people/change", name="ada", **change)
        assert refused.status_code == 409
        assert "ada is the only administrator who can sign in" in refused.text
    add_account(stage, "eve", Role.ADMIN)
    assert send(admin, "/people/change", name="ada", change="role", role="viewer").status_code == 303
    assert admin.get("/people").status_code == 403


def test_on_a_new_node_the_first_account_is_an_administrators(stage: Stage, client: TestClient) -> None:
    refused = send(client, "/people", name="mara", role="viewer")
    made = send(client, "/people", name="mara", role="admin")

    assert refused.status_code == 409
    assert secret(made.text)
    assert client.get("/").status_code == 401, "from now on everybody signs in"
    with stage.services.database.begin() as transaction:
        assert [user.name for user in users.every(transaction)] == ["mara"]
        [event] = accounts.events(transaction, limit=1)
    assert event.actor == "this host"


@pytest.mark.parametrize(
    ("name", "words"), [("ada", "There is an account ada already"), ("<b>x", "A name has at most"), ("nobody", "")]
)
def test_what_cannot_be_done_is_said_on_the_page(stage: Stage, admin: TestClient, name: str, words: str) -> None:
    if words:
        refused = send(admin, "/people", name=name, role="viewer")
    else:
        refused, words = send(admin, "/people/change", name=name, change="disable"), "There is no account nobody"
    assert refused.status_code == 409
    assert words in refused.text
    assert "<b>x" not in refused.text


def test_only_administrators_and_only_by_their_own_pages(stage: Stage, admin: TestClient, connect: Connect) -> None:
    reviewer = signed_in(stage, connect, "mara", Role.REVIEWER)
    for path in ("/people", "/people/change", "/people/tokens", "/people/tokens/rotate", "/people/tokens/revoke"):
        values = {"csrf": csrf(reviewer), "name": "mara", "change": "role", "role": "admin", "token_id": "1"}
        assert reviewer.post(path, data=values, headers=ORIGIN).status_code == 403, path
        forged = {**values, "csrf": "0" * 64}
        assert admin.post(path, data=forged, headers=ORIGIN).status_code == 403, path
    assert did(stage) == []


@pytest.mark.parametrize(("scope", "answer"), [(Permission.READ, 403), (Permission.ADMIN, 200)])
def test_a_token_needs_the_scope_admin(
    stage: Stage, admin: TestClient, connect: Connect, scope: Permission, answer: int
) -> None:
    token = add_token(stage, "ada", scope)
    assert connect(client="10.0.0.9").get("/people", headers=token).status_code == answer
