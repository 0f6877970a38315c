"""Setting up a node: the address at which the first person creates an account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from miqa_node.settings import Settings
from miqa_node.store import users
from miqa_node.store.database import Database


def first_invitation(database: Database, settings: Settings, url: str) -> str:
    """One-time address for creating the first account; empty if there are accounts."""
    with database.begin() as transaction:
        if users.any_exists(transaction):
            return ""
        until = datetime.now(UTC) + timedelta(seconds=settings.access.invitation_lifetime_s)
        return f"{url}/welcome/{users.invite(transaction, '', until)}"
