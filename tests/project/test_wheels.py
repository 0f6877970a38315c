"""Run time and training are separable: a site's wheel holds no training code, and works without it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from miqa_node import __version__

CHECKOUT = Path(__file__).parents[2]


def test_training_asks_for_the_node_of_the_same_version() -> None:
    path = CHECKOUT / "packages" / "miqa-node-training" / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == [f"miqa-node=={__version__}"]
