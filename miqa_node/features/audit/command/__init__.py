"""Commands of audit; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

AUDIT = Command(
    "The audit trail: show, export, verify.", "miqa_node.features.audit.command.audit:app", Heading.MAINTAIN, order=4
)
