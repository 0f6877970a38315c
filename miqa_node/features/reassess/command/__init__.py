"""Commands of reassess; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

REASSESS = Command(
    "Judge images again, behind those that arrive; without --yes only show which ones.",
    "miqa_node.features.reassess.command.reassess:reassess",
    Heading.IMAGES,
    order=10,
)
