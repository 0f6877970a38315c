"""Which form the site's policy has: asked by what judges nothing, and so does not load what reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miqa_node.core.settings.files import read_toml
from miqa_node.errors import FormerPolicyError, SettingsError


def is_former(document: Mapping[str, Any]) -> bool:
    """Whether a policy has the form of earlier versions."""
    return "scope" in document


def check_form(path: Path) -> None:
    """FormerPolicyError if the policy has the form of earlier versions; any other error is found when it is read."""
    try:
        document = read_toml(path)
    except SettingsError:
        return
    if is_former(document):
        raise FormerPolicyError
