"""Commands of usual ranges; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

RANGES = Command(
    "What is usual on each scanner: list, show, confirm, withdraw.",
    "miqa_node.features.usual_ranges.command.ranges:app",
    Heading.IMAGES,
    order=11,
)
