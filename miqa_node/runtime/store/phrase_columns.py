"""Texts of the node in columns of their own: in English, and beside each what it was made of, for other languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miqa_node.core.language.phrase import Phrase

SUFFIX = "_phrase"


def stored(**texts: str) -> dict[str, Any]:
    """The values of the columns ``name`` and ``name_phrase`` of each text.

    >>> stored(hint=Phrase("Call {who}.", who="CT1"), note="Anything.")["hint_phrase"]
    {'message': 'Call {who}.', 'values': {'who': 'CT1'}}
    """
    values: dict[str, Any] = {name: str(text) for name, text in texts.items()}
    phrases = {name + SUFFIX: text.parts() if isinstance(text, Phrase) else None for name, text in texts.items()}
    return values | phrases


def loaded(text: str, parts: Mapping[str, Any] | None) -> str:
    """The text as it was stored; a plain text if an earlier version wrote it, even over a phrase.

    >>> loaded("Anything.", {"message": "Call {who}.", "values": {"who": "CT1"}})
    'Anything.'
    """
    phrase = Phrase.of(parts) if parts else text
    return phrase if phrase == text else text


def with_phrases(row: Mapping[Any, Any], *names: str) -> dict[str, Any]:
    """The row with these texts as they were stored, without the columns of their phrases."""
    apart = {name + SUFFIX for name in names}
    return {str(key): value for key, value in row.items() if key not in apart} | {
        name: loaded(row[name], row[name + SUFFIX]) for name in names
    }
