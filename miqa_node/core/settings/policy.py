"""Reads the site's policy. Only what judges does: it loads the taxonomy of findings."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings.files import read_toml
from miqa_node.core.taxonomy.policy_file import parse_policy


def read_policy(path: Path) -> Policy:
    """The policy in a ``policy.toml``."""
    document = read_toml(path)
    return parse_policy(document, path.read_text("utf-8"))
