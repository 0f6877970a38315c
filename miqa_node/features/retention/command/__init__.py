"""Commands of retention; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

RETENTION = Command(
    "What the node keeps and removes: plan, confirm, fetch, hold, clear, holds.",
    "miqa_node.features.retention.command.retention:app",
    Heading.MAINTAIN,
    order=4,
)
ERASE = Command(
    "Erase a patient, with a signed proof: patient, list, proof, verify.",
    "miqa_node.features.retention.command.erase:app",
    Heading.MAINTAIN,
    order=4,
)
