"""Commands of labels; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

LABELS = Command(
    "Labels given by people: list, export, import.",
    "miqa_node.features.labels.command.labels:app",
    Heading.IMAGES,
    order=12,
)
CALIBRATE = Command(
    "Calibrate a package with images labelled at this site and certify its verdicts.",
    "miqa_node.features.labels.command.calibrate:calibrate",
    Heading.MODELS,
    order=14,
)
