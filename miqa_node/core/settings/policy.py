"""Reads the site's policy. Only what judges does: it loads the taxonomy of findings."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.policy import Policy
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings.files import WatchedFile, parse_toml, read_bytes, text_of
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import FormerPolicyError, SettingsError

FORMER = Phrase(
    "The policy has the form of earlier versions, with [[scope]]: images wait. `miqa-node policy convert FILE --out "
    "NEW` writes it as rules."
)
"""Why nothing is judged until such a file is converted."""


def read_policy(path: Path) -> Policy:
    """The policy in a ``policy.toml``."""
    return read_policy_text(read_bytes(path), path.name)


def read_policy_text(data: bytes, name: str) -> Policy:
    """The policy that a file of this name would have."""
    text = text_of(data, name)
    return parse_policy(parse_toml(text, name), text)


def watched_policy(path: Path) -> WatchedFile[Policy]:
    """The policy as it changes. Until one of the form of before is converted, a policy without rules stands for it."""
    return WatchedFile(path, read_policy, unready=_awaited)


def _awaited(error: SettingsError) -> Policy:
    if not isinstance(error, FormerPolicyError):
        raise error
    return Policy("", (), obstacle=FORMER)
