"""Commands of phantoms; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

PHANTOM = Command(
    "Measure phantoms in files; what the node received is listed with phantoms.",
    "miqa_node.features.phantoms.command.phantom:phantom",
    Heading.IMAGES,
    order=11,
)
PHANTOMS = Command(
    "Series of phantoms, and their log: change, kind, limits, list, log, patient, phantom, sign, values.",
    "miqa_node.features.phantoms.command.phantoms:app",
    Heading.IMAGES,
    order=10,
)
