"""Accounts and tokens on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from miqa_node.core.domain.access import Permission
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.people import tokens
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


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
