"""The commands that this distribution adds to ``miqa-node``, as entry points name them in pyproject.toml."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

_EXTRA = "miqa-node-training[train]"

TRAIN = Command(
    "Train model packages. Needs miqa-node-training.",
    "miqa_training.commands.train:app",
    Heading.MODELS,
    _EXTRA,
    order=15,
)
DEIDENTIFY = Command(
    "De-identify images by PS3.15 Annex E: the Basic Profile and chosen options.",
    "miqa_training.commands.deidentify:deidentify",
    Heading.PEOPLE,
    order=18,
)
OPERATING_POINTS = Command(
    "Count what the policy flags at each hospital, and choose limits of soft findings without the hospital they meet.",
    "miqa_training.commands.evaluate_points:operating_points",
    order=1,
)
TWO_SIDES = Command(
    "Count, per finding and source, marked defects that are found and clean images that are flagged.",
    "miqa_training.commands.evaluate_two_sides:two_sides",
    order=2,
)
REPORT = Command(
    "Write one page with every figure of a package: curves, severity, calibration, errors, saliency, comparison.",
    "miqa_training.commands.evaluate:report",
    order=3,
)
POINTING_GAME = Command(
    "Count how often a saliency map's peak lies on the annotated object, for every method and two baselines.",
    "miqa_training.commands.evaluate:pointing_game",
    order=4,
)
ENHANCEMENT = Command(
    "Measure enhancement methods: fidelity at lower doses, edges, lesions, phantoms, and the node's own findings.",
    "miqa_training.commands.evaluate:enhancement",
    order=5,
)
PNEUMONIA = Command(
    "Measure the pneumonia ensemble on unseen patients: children and adults apart, routing, Pointing Game.",
    "miqa_training.commands.pneumonia:evaluate",
    order=6,
)
SERIES = Command(
    "Count false alarms, and moderate faults that are found, on series of CT and MR: by kind and scanner.",
    "miqa_training.commands.evaluate_series:series",
    order=7,
)
