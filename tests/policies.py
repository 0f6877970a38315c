"""Policies of tests in few words: rules as the file has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miqa_node.core.domain.policy import Policy
from miqa_node.core.taxonomy.policy_file import parse_policy

ACCEPT: Mapping[str, Any] = {"finding": "all", "then": "ACCEPT", "evidence": "card"}
"""What a model judged is ACCEPT if no rule flags it."""
DEFAULT: Mapping[str, Any] = {"finding": "default", "evidence": "card"}
"""The default rules of all findings."""


def document(*rules: Mapping[str, Any], version: str = "t", place: str = "all", **tables: Any) -> dict[str, Any]:
    """A policy with one place for all images, in which these rules hold; ``evidence`` is the site's word by default."""
    where = tables.pop("where", {place: {}})
    [first, *_] = where
    return {
        "version": version,
        "where": where,
        "rule": [{"where": first, "evidence": "site", **rule} for rule in rules],
        **tables,
    }


def policy_of(*rules: Mapping[str, Any], version: str = "t", place: str = "all", **tables: Any) -> Policy:
    """The same, read."""
    return parse_policy(document(*rules, version=version, place=place, **tables))
