# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.features.accounts.page.test_second_factor import (
    Connect,
    begin,
    code,
    csrf,
    enrolled,
    forget_steps,
    in_and_out,
    key_on,
    mara,
    post,
    recovery_on,
)
from tests.web.people import ORIGIN, PASSWORD, add_account, sign_in
from tests.web.staging import Stage


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


def test_codes_are_not_guessed(enrolled: tuple[str, list[str]], connect: Connect) -> None:
    client = connect(client="10.0.0.8")
    for _ in range(5):  # the password again in between gives no new tries
        assert sign_in(client, "mara").status_code == 303
        assert post(client, "/sign-in/code", code="000000").status_code == 403
    assert sign_in(client, "mara").status_code == 429
    refused = post(client, "/sign-in/code", code=code(enrolled[0]))
    assert "Too many" in refused.text
    assert not in_and_out(client)


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
