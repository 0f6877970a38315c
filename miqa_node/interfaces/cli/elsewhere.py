"""Commands that are not part of the node: a caller is told where each is."""

from __future__ import annotations

from collections.abc import Mapping

from miqa_node.plugins import addition

TRAINING = addition("miqa-node-training[train]")

ELSEWHERE: Mapping[str, str] = {
    "train": f"It comes with another package. Install it: {TRAINING}.",
    "selftest": f"It comes with another package. Install it: {addition('miqa-node-selftest')}.",
    "destinations": f"It comes with another package. Install it: {addition('miqa-node-selftest')}.",
    "deidentify": f"It comes with another package. Install it: {addition('miqa-node-training')}.",
    "evaluate report": f"miqa-node-training measures packages. Install it: {TRAINING}.",
    "reference": "The pages of the reference are made in a checkout: python -m tools.reference PAGE --out FILE.",
}
