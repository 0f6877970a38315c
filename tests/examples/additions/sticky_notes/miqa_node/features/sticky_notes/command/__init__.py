"""Commands of sticky notes; their module is imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

STICKY_NOTES = Command(
    "Sticky notes on studies: list, add.",
    "miqa_node.features.sticky_notes.command.sticky_notes:app",
    Heading.IMAGES,
    order=20,
)
