"""A second factor beside the password: set up, asked for, recovered, reset, and demanded by role."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.settings import load_settings
from miqa_node.features.accounts.page.sign_in import codes
from miqa_node.features.accounts.page.sign_in.opening import ENROL
from miqa_node.runtime.people import accounts
from miqa_node.runtime.people import second_factors as second_factor_keys
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.second_factors import KEY_FILE
from miqa_node.runtime.store.tables import half_sign_ins, recovery_codes, second_factors
from tests.web.people import ORIGIN, PASSWORD, add_account, sign_in
from tests.web.staging import Stage

Connect = Callable[..., TestClient]


def csrf(client: TestClient) -> str:
    match = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/account").text)
    return match[1] if match else ""


def post(client: TestClient, path: str, **form: str) -> Any:
    return client.post(path, data={"csrf": csrf(client), **form}, headers=ORIGIN)


def key_on(page: str) -> str:
    match = re.search(r'class="secret">([A-Z2-7 ]+)<', page)
    assert match is not None, page
    return match[1].replace(" ", "")


def begin(client: TestClient) -> str:
    """The key of a new second factor, shown to who gives the password again."""
    assert post(client, "/account/second", password=PASSWORD).headers["location"] == ENROL
    page = client.get(ENROL)
    assert page.headers["cache-control"] == "no-store"
    return key_on(page.text)


def code(key: str, ahead: int = 0) -> str:
    return codes.code_at(key, int(time.time()) // codes.STEP_S + ahead).decode()


def recovery_on(page: str) -> list[str]:
    return re.findall(r'class="secret">([a-z2-7]{4}(?:-[a-z2-7]{4}){3})<', page)


def forget_steps(stage: Stage) -> None:
    """As if the codes that were used were long ago."""
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.update(second_factors).values(step=0))


def in_and_out(client: TestClient) -> bool:
    return client.get("/account").status_code == 200


@pytest.fixture
def mara(stage: Stage, connect: Connect) -> TestClient:
    add_account(stage, "mara", Role.REVIEWER)
    client = connect(client="10.0.0.7")
    assert sign_in(client, "mara").status_code == 303
    return client


@pytest.fixture
def enrolled(stage: Stage, mara: TestClient) -> tuple[str, list[str]]:
    """Key and recovery codes of mara, who is signed out."""
    key = begin(mara)
    shown = post(mara, ENROL, code=code(key))
    forget_steps(stage)
    post(mara, "/sign-out")
    return key, recovery_on(shown.text)


def test_the_vectors_of_rfc_6238() -> None:
    key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # 12345678901234567890
    for at, expected in ((59, "287082"), (1111111109, "081804"), (2000000000, "279037"), (20000000000, "353130")):
        assert codes.code_at(key, at // 30) == expected.encode()
    now = datetime.fromtimestamp(1111111109, UTC)
    assert codes.step_of(key, " 081 804 ", now) == 1111111109 // 30
    assert codes.step_of(key, "081804", datetime.fromtimestamp(1111111109 + 90, UTC)) == 0
    assert codes.step_of(key, "000000", now) == codes.step_of(key, "é", now) == 0


def test_the_picture_is_a_qr_code_of_the_address() -> None:
    address = codes.address("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "mara", "miqa node 1")
    side, path = codes.picture(address)
    modules = np.full((side + 6, side + 6), 255, np.uint8)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path):
        modules[int(y) + 3, int(x) + 3] = 0
    assert cv2.QRCodeDetector().detectAndDecode(np.kron(modules, np.ones((6, 6), np.uint8)))[0] == address


def test_recovery_codes_work_once_each(stage: Stage, enrolled: tuple[str, list[str]], connect: Connect) -> None:
    recovery = enrolled[1][0]
    for answer in (303, 403):
        client = connect(client="10.0.0.8")
        sign_in(client, "mara")
        assert post(client, "/sign-in/code", code=recovery.upper()).status_code == answer
    with stage.services.database.begin() as transaction:
        [event, *_] = accounts.events(transaction, limit=9)
    assert (event.action.value, event.detail) == ("recovery code", "9 left")


def test_without_the_password_there_is_no_second_step(enrolled: tuple[str, list[str]], connect: Connect) -> None:
    client = connect(client="10.0.0.8")
    assert client.get("/sign-in/code").status_code == 403
    assert post(client, "/sign-in/code", code=code(enrolled[0])).status_code == 403
    assert client.get("/sign-in/enrol").status_code == 403
    sign_in(client, "mara")
    assert client.get("/sign-in/enrol").headers["location"] == "/sign-in/code", "nobody sets up another one instead"
    assert post(client, "/sign-in/enrol", code=code(enrolled[0])).status_code == 303
    assert not in_and_out(client)


def test_a_link_for_a_password_asks_for_the_code_too(
    stage: Stage, enrolled: tuple[str, list[str]], connect: Connect
) -> None:
    with stage.services.database.begin() as transaction:
        secret, _until = accounts.link(transaction, "mara", 60, "ada", datetime.now(UTC))
    client = connect(client="10.0.0.8")
    form = {"password": PASSWORD + "!", "again": PASSWORD + "!"}
    answer = client.post(f"/welcome/{secret}", data=form, headers=ORIGIN)
    assert answer.headers["location"] == "/sign-in/code"
    assert not in_and_out(client)


def test_a_role_that_needs_it_sets_it_up_before_anything_else(stage: Stage, app: FastAPI, connect: Connect) -> None:
    data_dir = stage.services.settings.node.data_dir
    settings = load_settings(node={"data_dir": data_dir}, access={"second_factor": ["admin"]})
    app.state.services = replace(stage.services, settings=settings)
    add_account(stage, "ada", Role.ADMIN)
    add_account(stage, "jo", Role.VIEWER)
    client = connect(client="10.0.0.7")
    assert sign_in(client, "jo").headers["location"] == "/", "a role that does not"
    post(client, "/sign-out")

    assert sign_in(client, "ada", next="/images").headers["location"] == "/sign-in/enrol"
    assert not in_and_out(client)
    key = key_on(client.get("/sign-in/enrol").text)
    assert key == key_on(post(client, "/sign-in/enrol", code="000000").text), "the same until it is confirmed"
    done = post(client, "/sign-in/enrol", code=code(key))
    assert len(recovery_on(done.text)) == 10
    assert 'href="/images"' in done.text
    assert in_and_out(client)
    assert post(client, "/account/second/remove", code=code(key, 1)).status_code == 403


def test_the_owner_renews_codes_and_removes_it(stage: Stage, enrolled: tuple[str, list[str]], mara: TestClient) -> None:
    key, old = enrolled
    sign_in(mara, "mara")
    post(mara, "/sign-in/code", code=old[0])
    assert post(mara, "/account/second/codes", code="000000").status_code == 403
    new = recovery_on(post(mara, "/account/second/codes", code=code(key)).text)
    assert not set(new) & set(old)
    assert post(mara, "/account/second/remove", code=new[0]).status_code == 303
    assert "Set up a second factor" in mara.get("/account").text
    post(mara, "/sign-out")
    assert sign_in(mara, "mara").headers["location"] == "/"


def test_nobody_sets_one_up_without_the_password(mara: TestClient) -> None:
    assert post(mara, "/account/second", password="guess").status_code == 403
    forged = mara.post("/account/second", data={"csrf": "0" * 64, "password": PASSWORD}, headers=ORIGIN)
    assert forged.status_code == 403
    for path in (ENROL, "/account/second/confirm"):
        answer = post(mara, path, code="000000")
        assert answer.status_code in (403, 404)
        assert 'class="secret"' not in answer.text, "an open session alone shows no key"
    old = begin(mara)
    assert begin(mara) != old, "who saw an earlier one knows nothing of this"


@pytest.mark.parametrize("change", ["password", "sign-out"])
def test_a_half_sign_in_ends_with_the_sessions(stage: Stage, mara: TestClient, change: str) -> None:
    key = begin(mara)
    with stage.services.database.begin() as transaction:
        if change == "password":
            accounts.set_password(transaction, "mara", "another", "mara", datetime.now(UTC))
        else:
            accounts.sign_out(transaction, "mara", "ada", datetime.now(UTC))
    assert mara.get(ENROL).status_code == 403
    assert post(mara, ENROL, code=code(key)).status_code == 403
    assert not in_and_out(mara)


def test_the_database_alone_gives_no_codes(
    stage: Stage, app: FastAPI, enrolled: tuple[str, list[str]], connect: Connect, tmp_path: Path
) -> None:
    key, recovery = enrolled
    assert key not in stored_key(stage)
    file = stage.services.settings.node.data_dir / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    client = connect(client="10.0.0.8")
    sign_in(client, "mara")
    assert post(client, "/sign-in/code", code=code(key)).status_code == 303

    forget_steps(stage)
    elsewhere = load_settings(node={"data_dir": tmp_path / "elsewhere"})
    elsewhere.node.data_dir.mkdir()
    app.state.services = replace(stage.services, settings=elsewhere)
    other = connect(client="10.0.0.9")
    sign_in(other, "mara")
    assert post(other, "/sign-in/code", code=code(key)).status_code == 403
    assert post(other, "/sign-in/code", code=recovery[0]).status_code == 303, "a lost secret locks nobody out"


def test_a_key_of_an_earlier_version_is_encrypted_when_it_is_used(
    stage: Stage, enrolled: tuple[str, list[str]], connect: Connect
) -> None:
    key, _ = enrolled
    with stage.services.database.begin() as transaction:
        second_factor_keys.keep_key(transaction, "mara", key)
    client = connect(client="10.0.0.8")
    sign_in(client, "mara")
    assert post(client, "/sign-in/code", code=code(key)).status_code == 303
    assert key not in stored_key(stage)


def test_a_key_of_the_settings_needs_no_file(stage: Stage, app: FastAPI, mara: TestClient, tmp_path: Path) -> None:
    """As machines have it that share a database."""
    shared = {"second_factor_key": "the same on all machines"}
    machines = [load_settings(node={"data_dir": tmp_path / name}, access=shared) for name in ("a", "b")]
    app.state.services = replace(stage.services, settings=machines[0])
    key = begin(mara)
    app.state.services = replace(stage.services, settings=machines[1])
    assert len(recovery_on(post(mara, ENROL, code=code(key)).text)) == 10
    assert not list(tmp_path.rglob(KEY_FILE))


def stored_key(stage: Stage) -> str:
    with stage.services.database.begin() as transaction:
        return str(transaction.execute(sa.select(second_factors.c.key)).scalar_one())


@pytest.mark.more
def test_set_up_then_asked_for_at_every_sign_in(stage: Stage, mara: TestClient, connect: Connect) -> None:
    key = begin(mara)
    assert "Your role needs one" not in mara.get(ENROL).text
    assert post(mara, ENROL, code="000000").status_code == 403
    first = code(key)
    done = post(mara, ENROL, code=first)
    recovery = recovery_on(done.text)
    assert 'href="/account"' in done.text
    assert len(recovery) == 10
    assert "10 recovery codes left" in mara.get("/account").text

    other = connect(client="10.0.0.8")
    request = sign_in(other, "mara", next="/images")
    assert (request.status_code, request.headers["location"]) == (303, "/sign-in/code")
    assert not in_and_out(other), "the password alone opens nothing"
    assert "one-time-code" in other.get("/sign-in/code").text
    used = post(other, "/sign-in/code", code=first)
    assert used.status_code == 403, "each code works once"
    let_in = post(other, "/sign-in/code", code=code(key, 1))
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/images")
    assert in_and_out(other)
    with stage.services.database.begin() as transaction:
        stored = str(transaction.execute(sa.select(recovery_codes)).all())
        assert transaction.execute(sa.select(half_sign_ins)).all() == []
        did = [event.action.value for event in accounts.events(transaction, limit=9)]
        trail = records.select(transaction, AuditFilter(event=AuditEvent.SIGNED_IN))
    assert not any(one in stored or one.replace("-", "") in stored for one in recovery)
    assert did == ["factor added"]
    means = [one.means for one in trail]
    assert means == ["code", "code", "password", "password"], "the last password alone is no sign-in"


@pytest.mark.more
def test_codes_are_not_guessed(enrolled: tuple[str, list[str]], connect: Connect) -> None:
    client = connect(client="10.0.0.8")
    for _ in range(5):  # the password again in between gives no new tries
        assert sign_in(client, "mara").status_code == 303
        assert post(client, "/sign-in/code", code="000000").status_code == 403
    assert sign_in(client, "mara").status_code == 429
    refused = post(client, "/sign-in/code", code=code(enrolled[0]))
    assert "Too many" in refused.text
    assert not in_and_out(client)


@pytest.mark.more
def test_an_administrator_resets_it(stage: Stage, enrolled: tuple[str, list[str]], connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    admin = connect(client="10.0.0.9")
    sign_in(admin, "ada")
    assert "with a password and a second factor" in admin.get("/people").text
    assert post(admin, "/people/change", name="mara", change="reset-factor").status_code == 303
    assert post(admin, "/people/change", name="mara", change="reset-factor").status_code == 409
    assert sign_in(connect(client="10.0.0.8"), "mara").headers["location"] == "/"
    with stage.services.database.begin() as transaction:
        [event, *_] = accounts.events(transaction, limit=9)
        trail = records.select(transaction, AuditFilter(event=AuditEvent.ACCOUNT_CHANGED))
    assert (event.name, event.actor, event.action.value) == ("mara", "ada", "factor removed")
    assert (trail[0].actor, trail[0].detail.count("factor removed")) == ("ada", 1)
