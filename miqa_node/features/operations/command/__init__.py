"""Commands of operations; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

DOCTOR = Command(
    "Check settings, disk, database, policy, models, accelerator, ports, mail server and destinations.",
    "miqa_node.features.operations.command.doctor:doctor",
    Heading.MAINTAIN,
    order=1,
)
SELFTEST = Command(
    "Send synthetic images of every kind and transfer syntax through a temporary node and write a record.",
    "miqa_node.features.operations.command.selftest:selftest",
    Heading.MAINTAIN,
    order=3,
)
DELIVERIES = Command(
    "Deliveries of results: list, show, hold, release, resend, cancel.",
    "miqa_node.features.operations.command.deliveries:app",
    Heading.IMAGES,
    order=9,
)
