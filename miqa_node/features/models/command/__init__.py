"""Commands of models; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

MODELS = Command(
    "Models: list, check, activate, rollback, history, shadow, compare, baseline, certify, card, certificate, seal, "
    "pack, sign, verify.",
    "miqa_node.features.models.command.models:app",
    Heading.MODELS,
    order=13,
)
