"""Commands of limits; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

TUNE = Command(
    "Propose limits of soft findings for each room and view from the site's own images; without options list all sets.",
    "miqa_node.features.limits.command.tune:tune",
    Heading.MODELS,
    order=14,
)
SILENCE = Command(
    "Show which body parts are silent, in their first days at this site, and end that for one.",
    "miqa_node.features.limits.command.silence:silence",
    Heading.MODELS,
    order=15,
)
