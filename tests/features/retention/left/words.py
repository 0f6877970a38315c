"""A word of its own for each place that holds text, and the search for all of them in any bytes."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

LETTERS = "BCDFGHJKLMNPRSTVWX"
_WORD = re.compile(rb"ZQ([" + LETTERS.encode() + rb"]{6})QZ", re.IGNORECASE)
TEXTS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""VRs of text; dates, times, numbers and UIDs are others."""
NOT_DATA = frozenset({"SpecificCharacterSet", "CodingSchemeDesignator"})
"""The first says how the others are read; with the second, codes of sequences would be of no known scheme."""


class Words:
    """Words by their places, such as ``chest PatientName``; the same place has the same word."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        """The word of a place: capitals only, and short enough for any VR."""
        if place not in self._words:
            self._words[place] = self._new(place)
        return self._words[place]

    def _new(self, place: str) -> str:
        number, letters = len(self._places), ""
        for _ in range(6):
            number, rest = divmod(number, len(LETTERS))
            letters += LETTERS[rest]
        word = f"ZQ{letters}QZ"
        assert word not in self._places
        self._places[word] = place
        return word

    def found(self, data: bytes) -> set[str]:
        """The places whose words are in the bytes: plain, packed, in a ZIP file, in UTF-16, or in hexadecimal."""
        return {self._places[word] for one in unpacked(data) for word in _words(one) if word in self._places}


def _words(data: bytes) -> Iterator[str]:
    return (match[0].decode().upper() for match in _WORD.finditer(data))


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them."""
    yield data
    if b"Z\0Q\0" in data.upper():
        yield data.replace(b"\0", b"")
    for bits in (zlib.MAX_WBITS, 31):  # zlib, gzip
        try:
            yield zlib.decompressobj(bits).decompress(data)
        except zlib.error:
            continue
    if data[:2] == b"PK":
        with zipfile.ZipFile(BytesIO(data)) as file:
            for name in file.namelist():
                yield name.encode()
                yield from unpacked(file.read(name))


def fill(dataset: Dataset, words: Words, name: str, leave: Iterable[str] = ()) -> None:
    """Give each text of the dictionary a word, at the top and in an item of each sequence, and private elements, too.

    ``leave`` are keywords whose values stay.
    """
    exempt = NOT_DATA | set(leave)
    for number, (vr, _, _, _, keyword) in DicomDictionary.items():
        tag = Tag(number)
        if not _is_data(tag) or keyword in exempt:
            continue
        if vr in TEXTS:
            dataset[tag] = DataElement(tag, vr, words(f"{name} {keyword}"))
        elif vr == "SQ" and keyword not in dataset:
            dataset[tag] = DataElement(tag, "SQ", Sequence([_item(words, f"{name} {keyword}")]))
    for group in (0x0009, 0x0029):
        block = dataset.private_block(group, words(f"{name} private creator {group}"), create=True)
        for element, vr in enumerate(("LO", "UN", "UT", "PN", "OB")):
            text = words(f"{name} private {vr} {group}")
            block.add_new(element, vr, text.encode() if vr in ("UN", "OB") else text)


def _item(words: Words, name: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = words(f"{name} value"), "99X", words(name)
    item.TextValue, item.PersonName = words(f"{name} text"), words(f"{name} person")
    return item


def _is_data(tag: BaseTag) -> bool:
    """No group of commands, files or directories, none that repeats, no group length, and an element that has a
    keyword.
    """
    return 0x0008 <= tag.group < 0x5000 and tag.element != 0 and bool(keyword_for_tag(tag))
