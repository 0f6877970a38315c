"""Commands of reader study; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

STUDY = Command(
    "Reader studies: plan, collect, report, list.",
    "miqa_node.features.reader_study.command.study:app",
    Heading.MODELS,
    extra="miqa-node[study]",
    order=17,
)
