"""The node's own findings: every TOML file of this folder."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.taxonomy.base import read_taxonomy

BUILT_IN = read_taxonomy(Path(__file__).parent)
