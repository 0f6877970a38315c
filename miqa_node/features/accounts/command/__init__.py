"""Commands of accounts; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

USERS = Command(
    "Accounts: list, add, role, link, reset-factor, disable, enable, token.",
    "miqa_node.features.accounts.command.accounts:app",
    Heading.MAINTAIN,
    order=4,
)
