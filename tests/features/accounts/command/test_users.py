"""Accounts and tokens on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.access import Permission
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.people import tokens, users
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


def test_an_account_is_made_with_a_link_that_its_owner_opens(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path
) -> None:
    made = cli("users", "add", "Mara", "--role", "reviewer", "--data-dir", data_dir)
    listed = cli("users", "list", "--json", "--data-dir", data_dir)

    assert made.code == Exit.OK
    assert made.out.startswith("http://localhost:8080/welcome/")
    assert "web.public_url" in made.err
    assert [(user["name"], user["role"]) for user in listed.json] == [("mara", "reviewer")]
    assert listed.json[0]["signs_in"] == "has not chosen a password yet"
    with stage.services.database.begin() as transaction:
        secret = made.out.strip().rpartition("/")[2]
        assert users.invited(transaction, secret, datetime.now(UTC)) == "mara"


def test_a_second_account_of_a_name_and_names_that_are_none(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path
) -> None:
    cli("users", "add", "mara", "--data-dir", data_dir)

    assert cli("users", "add", "MARA", "--data-dir", data_dir).code == Exit.CONFLICT
    wrong = cli("users", "add", "no spaces please", "--data-dir", data_dir)
    assert wrong.code == Exit.FAILED
    assert "begins with" in wrong.err
    assert cli("users", "role", "nobody", "admin", "--data-dir", data_dir).code == Exit.NOT_FOUND


def test_roles_and_doors(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    cli("users", "add", "mara", "--data-dir", data_dir)

    assert cli("users", "role", "mara", "admin", "--data-dir", data_dir).code == Exit.OK
    assert "admin" in cli("users", "list", "--data-dir", data_dir).out
    assert cli("users", "disable", "mara", "--data-dir", data_dir).code == Exit.OK
    assert "is disabled" in cli("users", "list", "--data-dir", data_dir).out
    assert cli("users", "link", "mara", "--data-dir", data_dir).code == Exit.FAILED
    assert cli("users", "enable", "mara", "--data-dir", data_dir).code == Exit.OK
    assert cli("users", "link", "mara", "--data-dir", data_dir).code == Exit.OK


@pytest.mark.parametrize("scope", ["review", "admin"])
def test_no_token_allows_more_than_its_account_may(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, scope: str
) -> None:
    cli("users", "add", "eve", "--role", "viewer", "--data-dir", data_dir)

    refused = cli("users", "token", "add", "eve", "--scope", scope, "--data-dir", data_dir)

    assert refused.code == Exit.FAILED
    assert f"does not allow {scope}" in refused.err


def test_a_token_is_rotated(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    cli("users", "add", "ris", "--role", "service", "--data-dir", data_dir)
    old = cli("users", "token", "add", "ris", "--days", "30", "--data-dir", data_dir).out.strip()
    new = cli("users", "token", "rotate", "1", "--overlap-hours", "0", "--data-dir", data_dir).out.strip()

    with stage.services.database.begin() as transaction:
        now = datetime.now(UTC)
        assert tokens.find(transaction, old, now) is None
        token = tokens.find(transaction, new, now)
        first, second = tokens.every(transaction)
    assert token is not None
    assert (second.scopes, second.label) == (first.scopes, first.label)
    assert second.expires_at is not None
    assert (second.expires_at - second.created_at).days == 30
    assert cli("users", "token", "rotate", "1", "--data-dir", data_dir).code == Exit.NOT_FOUND
    listed = cli("users", "token", "list", "--data-dir", data_dir).out
    assert "expired" in listed
    assert "in force" in listed


@pytest.mark.more
def test_a_program_gets_a_token_that_is_shown_once(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    added = cli("users", "add", "ris", "--role", "service", "--data-dir", data_dir)
    scopes = ("--scope", "read", "--scope", "review")
    made = cli("users", "token", "add", "ris", *scopes, "--label", "RIS", "--days", 30, "--data-dir", data_dir)
    secret = made.out.strip()

    assert "/welcome/" not in added.out
    with stage.services.database.begin() as transaction:
        token = tokens.find(transaction, secret, datetime.now(UTC))
    assert token is not None
    assert token.permissions == {Permission.READ, Permission.REVIEW}
    [listed] = cli("users", "token", "list", "--json", "--data-dir", data_dir).json
    assert (listed["name"], listed["label"], listed["revoked_at"]) == ("ris", "RIS", None)
    assert secret not in cli("users", "token", "list", "--data-dir", data_dir).out
    assert cli("users", "token", "revoke", listed["token_id"], "--data-dir", data_dir).code == Exit.OK
    assert cli("users", "token", "revoke", listed["token_id"], "--data-dir", data_dir).code == Exit.NOT_FOUND
    assert "revoked" in cli("users", "token", "list", "--data-dir", data_dir).out
