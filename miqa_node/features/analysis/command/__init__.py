"""Commands of analysis; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

ANALYSIS = Command(
    "Reject analysis and model watch: rejects, model, report, export, import, logs, remove-log, mappings.",
    "miqa_node.features.analysis.command.analysis:app",
    Heading.IMAGES,
    order=11,
)
EVALUATE = Command(
    'Measure a package. "report" may be omitted: miqa-node evaluate PACKAGE --data DIR.',
    "miqa_node.features.analysis.command.evaluate:app",
    Heading.MODELS,
    order=16,
)
