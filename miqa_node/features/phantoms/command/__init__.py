"""Commands of phantoms; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

PHANTOMS = Command(
    "Series of phantoms, and the log of their values.",
    "miqa_node.features.phantoms.command.phantoms:app",
    Heading.IMAGES,
    order=10,
)
