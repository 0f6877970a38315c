"""A node on trial: synthetic images, a modality that sends them and an archive that gets the results."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

SELFTEST = Command(
    "Send synthetic images of every kind and transfer syntax through a temporary node and write a record.",
    "miqa_selftest.command:selftest",
    Heading.MAINTAIN,
    order=3,
)

DESTINATIONS = Command("What destinations will get: plan.", "miqa_selftest.plan:app", Heading.MAINTAIN, order=4)
