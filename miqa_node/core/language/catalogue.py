"""Reads the catalogues and says messages in the language of the person who is served; ids are English.

A language is one file, ``locale/<language>/LC_MESSAGES/miqa.po``, which ``make translations`` brings up to date.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from miqa_node.core.language.phrase import Phrase
from miqa_node.core.language.po_file import PoFile

FOLDER = Path(__file__).with_name("locale")
DOMAIN = "miqa"
SOURCE = "en"
NAMES: Mapping[str, str] = {"en": "English", "de": "German"}
"""In English, as DICOM codes them; other languages go by their abbreviation."""
OWN_NAMES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}
"""What speakers call their language."""
DECIMAL_COMMA = frozenset({"cs", "da", "de", "es", "fi", "fr", "it", "nb", "nl", "pl", "pt", "sv"})

LANGUAGE: ContextVar[str] = ContextVar("language", default=SOURCE)
"""What the request that is answered, or the report that is written, speaks."""


def languages() -> tuple[str, ...]:
    """The available languages."""
    return (SOURCE, *sorted(path.parent.parent.name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po")))


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The messages of a language; English messages if it is English or has no catalogue."""
    return PoFile(_file(language)) if language in languages() and language != SOURCE else gettext.NullTranslations()


def _file(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """Speak a language for a while, or English if it has no catalogue."""
    before = LANGUAGE.set(language)
    try:
        yield
    finally:
        LANGUAGE.reset(before)


def say(message: str, **values: object) -> str:
    """The message in the language that is spoken now, with the values in its braces.

    >>> say("{count} waiting", count=3)
    '3 waiting'
    """
    text = catalogue(LANGUAGE.get()).gettext(message) if message else ""
    return text.format(**values) if values else text


def say_number(one: str, many: str, count: int, **values: object) -> str:
    """The same for a number of things, ``{count}`` in the message.

    >>> say_number("{count} study", "{count} studies", 2)
    '2 studies'
    """
    return catalogue(LANGUAGE.get()).ngettext(one, many, count).format(count=count, **values)


def reworded(text: str) -> str:
    """A text of the node, its values included, in the language that is spoken now; unchanged if it is unknown.

    A phrase knows its message and its values. Of another text only the whole is looked up: what an earlier version put
    together with values stays in English.
    """
    language = LANGUAGE.get()
    if language == SOURCE:
        return str(text)
    message = text.message if isinstance(text, Phrase) else text
    if isinstance(text, Phrase) and text.forms:
        one, many = text.forms
        message = catalogue(language).ngettext(one, many, int(text.values["count"]))
    wording = _whole(message, language) or _whole(f"{message}.", language).removesuffix(".") or message
    if not isinstance(text, Phrase) or not text.values:
        return wording
    return wording.format(**{name: _value(one) for name, one in text.values.items()})


def _value(value: str) -> str:
    """A value of a phrase: another phrase, or a name or number that stays as it is."""
    return reworded(value) if isinstance(value, Phrase) else value


_DECIMAL = re.compile(r"(?<![\w.])(\d+)\.(\d+)(?!\.?\d)")


def numerals(text: str) -> str:
    """Decimal points of a text as the language writes them; versions, UIDs and addresses keep theirs.

    >>> numerals("0.25")
    '0.25'
    >>> context = LANGUAGE.set("de")
    >>> numerals("0.25 to 1.5 % by quality-0.6.0")
    '0,25 to 1,5 % by quality-0.6.0'
    >>> LANGUAGE.reset(context)
    """
    return _DECIMAL.sub(r"\1,\2", text) if LANGUAGE.get() in DECIMAL_COMMA else text


def grouped(number: str) -> str:
    """A number with commas between thousands as the language writes it: with narrow spaces where commas are decimal.

    >>> grouped("12,345")
    '12,345'
    """
    return number.replace(",", "\u202f") if LANGUAGE.get() in DECIMAL_COMMA else number


def learn(language: str, words: Mapping[str, str]) -> None:
    """Take up translations that come from elsewhere, such as the titles of a taxonomy; the catalogue's come first."""
    _learned.setdefault(language, {}).update(words)


_learned: dict[str, dict[str, str]] = {}


def _whole(text: str, language: str) -> str:
    """The translation of exactly this text; empty if there is none."""
    translation = catalogue(language).gettext(text) if text else text
    if translation == text:
        translation = _learned.get(language, {}).get(text, text)
    return "" if translation == text else translation
