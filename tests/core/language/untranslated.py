"""Messages without a translation: a warning for everybody, a fault of a release (``make release-check``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from miqa_node.core.language.catalogue import DOMAIN, FOLDER, SOURCE
from tests.core.language.sources import messages, read, taxonomy_messages
from tests.release import is_release

Message = str | tuple[str, str]


def lacking(expected: Iterable[Message], written: Mapping[Any, Any]) -> set[Message]:
    """The messages that have no translation, or not all of its forms."""
    return {
        id_ for id_ in expected if not (text := written.get(id_)) or not all((text,) if isinstance(text, str) else text)
    }


def differences(language: str) -> set[Message]:
    """What a catalogue lacks, and what it has although nobody says it."""
    expected = messages().union(filter(None, taxonomy_messages(language)))
    written: dict[Any, Any] = {message.id: message.string for message in read(language) if message.id}
    return lacking(expected, written) | {id_ for id_ in written if id_ not in expected}


def places(missing: Iterable[Message], language: str) -> list[str]:
    """Each message with what to do about it."""
    place = f"{FOLDER.name}/{language}/LC_MESSAGES/{DOMAIN}.po"
    return [f"{place}: run make translations LANGUAGE={language} and fill msgstr of {one!r}" for one in missing]


@cache
def untranslated(language: str) -> frozenset[str]:
    """The texts that may still be English in a language: none in a release."""
    if language == SOURCE or is_release():
        return frozenset()
    return frozenset(text for one in differences(language) for text in ((one,) if isinstance(one, str) else one))


def translated_part(text: str, language: str) -> str:
    """A text without the words of messages that nobody translated yet."""
    for part in _literals(language):
        text = text.replace(part, "")
    return text


@cache
def _literals(language: str) -> tuple[str, ...]:
    parts = {part.strip(" .") for text in untranslated(language) for part in re.split(r"\{\w+\}", text)}
    return tuple(sorted((part for part in parts if len(part) > 2), key=len, reverse=True))
