"""Searches the written file for the patient: every identifying value of the original, in every element.

This check is independent of the profile: it searches all text of the result for names, numbers and UIDs from protected
or private elements of the original.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from miqa_training.deidentify.dataset import say_what_was_done
from miqa_training.deidentify.profile import ElementAction, ProfileOption, action_for
from miqa_training.deidentify.values import STANDARD_UIDS, VOCABULARY

LEAST_LETTERS = 4
"""Minimum length of a word; shorter ones occur in too many places by chance."""
MOST_VALUE_CHARACTERS = 4096
LEAST_LETTERS_IN_BULK = 6
"""The same among millions of bytes, which have each of some four letters by chance."""
_NUMBERS = frozenset({"AS", "AT", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV", "CS"})
_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
_PERSONAL_GROUPS = frozenset({0x0010, 0x0038})
_PERSONAL = re.compile(r"Patient|Physician|Person|Operator|Requesting|Referring|Issuer|Accession")
Word = str


@dataclass(frozen=True, slots=True)
class WordOrigin:
    """Element in which a word occurred; ``personal`` if the element identifies a person."""

    keyword: str
    personal: bool


def identifying_words(ds: Dataset, options: frozenset[ProfileOption]) -> dict[Word, WordOrigin]:
    """Words of the original that must not occur in the result; of several origins a personal one counts."""
    words: dict[Word, WordOrigin] = {}
    for element in _elements(ds):
        action = action_for(element.tag, element.VR, options)
        if action is ElementAction.KEEP or element.VR in _NUMBERS | _BULK:
            continue
        keyword = element.keyword or "private element"
        personal = element.VR == "PN" or element.tag.group in _PERSONAL_GROUPS or bool(_PERSONAL.search(keyword))
        for word in _words(element, private=element.tag.is_private):
            if word not in words or (personal and not words[word].personal):
                words[word] = WordOrigin(keyword, personal)
    return words


def leaks(result: Dataset, words: dict[Word, WordOrigin], original: Dataset) -> list[str]:
    """Keywords of result elements with such a word, and of the element that it comes from; no values.

    A generic word is not a leak if the original had the same value in the same kept element, or if it is the record of
    the method that has it there; a word of patient elements always is.
    """
    record = Dataset()
    say_what_was_done(record, frozenset(ProfileOption))
    sources = (*_elements(original), *_elements(record))
    before = {(element.tag, word) for element in sources for word in _words(element, private=False)}
    messages = []
    for element in _elements(result):
        if element.tag.group == 0x0002 or element.VR in _NUMBERS:
            continue
        for word in _repeated(element.value, words) if element.VR in _BULK else _words(element, private=False):
            origin = words.get(word)
            if origin is not None and (origin.personal or (element.tag, word) not in before):
                messages.append(f"{element.keyword or element.tag} repeats {origin.keyword}")
    return list(dict.fromkeys(messages))


def _repeated(value: object, words: dict[Word, WordOrigin]) -> Iterator[Word]:
    """The longer words of persons that are in bytes, in any case and usual encoding; coded data, too, hold some."""
    if not isinstance(value, bytes):
        return
    data = value.upper()
    for word, origin in words.items():
        if not origin.personal or len(word) < LEAST_LETTERS_IN_BULK:
            continue
        # Bytes have no case but that of ASCII.
        spellings = {word, "".join(one if one.isascii() else one.lower() for one in word)}
        if any(one.encode(encoding, "ignore") in data for one in spellings for encoding in _ENCODINGS):
            yield word


def _elements(ds: Dataset) -> Iterator[DataElement]:
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
        else:
            yield element


def _words(element: DataElement, *, private: bool) -> Iterator[Word]:
    value = element.value
    if value is None or value == "":
        return
    if isinstance(value, bytes):
        value = value[:MOST_VALUE_CHARACTERS].decode("latin-1")
        if private and not value.isprintable():
            return
    text = "\\".join(map(str, value)) if isinstance(value, MultiValue | list) else str(value)
    if element.VR in {"UI", "DA", "DT", "TM"} and not private:
        if element.VR == "UI":
            yield from (uid for uid in text.split("\\") if uid and not uid.startswith(STANDARD_UIDS))
        elif element.VR != "TM":
            yield from (part.strip()[:8] for part in text.split("\\") if len(part.strip()) >= 8)
        return
    for word in re.split(r"[\s^=\\,;:/|()\[\]\"']+", text[:MOST_VALUE_CHARACTERS]):
        short = word.strip(".-_")
        if len(short) >= LEAST_LETTERS and short.lower() not in VOCABULARY and short != "REMOVED":
            yield short.upper()
