"""Setting up a node: the address at which the first person creates an account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from miqa_node.core.domain.role import NodeRole
from miqa_node.core.settings import Settings
from miqa_node.runtime.people import users
from miqa_node.runtime.store.database import Database


def set_up_link(database: Database, settings: Settings, role: NodeRole, port: int) -> str:
    """One-time address for creating the first account; empty if there are accounts, or none is made here."""
    if not role.serves or settings.oidc.used:
        return ""
    url = settings.web_url if settings.web.public_url else settings.web.address(port)
    with database.begin() as transaction:
        if users.any_exists(transaction):
            return ""
        until = datetime.now(UTC) + timedelta(seconds=settings.access.invitation_lifetime_s)
        return f"{url}/welcome/{users.invite(transaction, '', until)}"
