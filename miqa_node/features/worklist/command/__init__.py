"""Commands of worklist; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

EXPLAIN = Command(
    "Show the history of an image or a study: arrival, assessment, verdict, results, deliveries.",
    "miqa_node.features.worklist.command.explain:explain",
    Heading.IMAGES,
    order=8,
)
WORKLIST = Command(
    "Flagged studies: list, views, show, claim, assign, release, comment, resolve, reopen, correct, conflicts, settle.",
    "miqa_node.features.worklist.command.worklist:app",
    Heading.IMAGES,
    order=10,
)
