"""Commands that are not part of the node: a caller is told where each is."""

from __future__ import annotations

from collections.abc import Mapping

ELSEWHERE: Mapping[str, str] = {
    "train": "It comes with another package. Install it: pip install 'miqa-node-training[train]'.",
    "selftest": "It comes with another package. Install it: pip install miqa-node-selftest.",
    "deidentify": "It comes with another package. Install it: pip install miqa-node-training.",
    "evaluate report": "miqa-node-training measures packages. Install it: pip install 'miqa-node-training[train]'.",
    "reference": "The pages of the reference are made in a checkout: python -m tools.reference PAGE --out FILE.",
}
