"""A node on trial: synthetic images, a modality that sends them and an archive that gets the results.

Its destinations on trial, too: one invented study, and what each of them answers.
"""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

SELFTEST = Command(
    "Send synthetic images of every kind and transfer syntax through a temporary node and write a record.",
    "miqa_selftest.command.selftest:selftest",
    Heading.MAINTAIN,
    order=3,
)
DESTINATIONS = Command(
    "What destinations will get, and what they do with it: plan, try.",
    "miqa_selftest.command.plan:app",
    Heading.MAINTAIN,
    order=4,
)
TRY = Command(
    "Send one object of each kind, of a test patient, to a destination, and ask back what it keeps of them.",
    "miqa_selftest.command.destinations:try_destination",
)
