"""Turns raw header elements into values, tolerating common errors of writers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from struct import error, pack, unpack, unpack_from

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import tag_for_keyword

from miqa_node.core.domain.instance import can_name, is_uid
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.charsets import WITHOUT_EXTENSION, decoded_whole
from miqa_node.dicom.elements import Element, Elements, element_head, first_item
from miqa_node.errors import DataSetError

_INTEGERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q"}
_DELIMITERS = set(b"\\^=\r\n\t\f")
"""Bytes that reset ISO 2022 escapes (PS3.5 6.1.2.5.3)."""
_FLOATS = {"FL": "f", "FD": "d", "OF": "f", "OD": "d"}
_CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)
"""Code Value, Long Code Value, URN Code Value."""

_DAY = re.compile(r"([0-9]{4})([.\-/]?)([0-9]{2})\2([0-9]{2})(?!-[0-9]{8})")
"""No range of dates, which is for queries."""
_PART_OF_DAY = re.compile(r"([0-9]{4})(?:[.\-/]?([0-9]{2}))?")

LEAST_NUMBER = 1e-9
MOST_CHARACTERS = 256
"""Of a text that is kept: a person's name may have 194 (PS3.5 6.2), and an index of PostgreSQL takes 2,700 bytes."""
MOST_CODE_BYTES = 512
"""Of a coded concept in the groups of a frame, with the heads of the sequences around it."""


class Values:
    """The elements by DICOM keyword; absent or damaged values are empty; only UIDs raise errors."""

    def __init__(self, elements: Elements, tags: Mapping[str, int]) -> None:
        self._by_tag = elements.by_tag
        self._tags = tags
        self._implicit = elements.implicit
        self._order = ">" if elements.big_endian else "<"

    def holds(self, keyword: str) -> bool:
        """Whether the element is present with a value."""
        element = self._by_tag.get(self._tags[keyword])
        return element is not None and len(element.value) > 0

    def word(self, keyword: str) -> str:
        """The first value of a coded string, in upper case as PS3.5 6.2 requires."""
        words = self.words(keyword)
        return words[0] if words else ""

    def words(self, keyword: str) -> tuple[str, ...]:
        """All values of a coded string."""
        element = self._by_tag.get(self._tags[keyword])
        text = element.value.replace(b"\0", b" ").decode("latin-1").strip().upper() if element else ""
        return tuple(part.strip()[:MOST_CHARACTERS] for part in text.split("\\")) if text else ()

    def uid(self, keyword: str, *, relaxed: bool = False) -> str:
        """A UID; empty if absent, DataSetError if invalid; ``relaxed`` allows letters."""
        element = self._by_tag.get(self._tags[keyword])
        text = element.value.decode("latin-1").strip(" \0") if element else ""
        if text and not (can_name(text) if relaxed else is_uid(text)):
            raise DataSetError(
                "{keyword} is not a UID: only digits and dots, at most 64 of them (PS3.5 9.1).{hint}",
                keyword=keyword,
                hint=Phrase(" With dicom.relaxed_uids the node also accepts letters.") if can_name(text) else "",
            )
        return text

    def text(self, keyword: str) -> str:
        """A text in the data set's character set (PS3.5 6.1); undecodable text is read as Latin-1.

        It ends after :data:`MOST_CHARACTERS`.
        """
        element = self._by_tag.get(self._tags[keyword])
        return self._decoded(element.value)[:MOST_CHARACTERS] if element else ""

    def phrase(self, keyword: str) -> str:
        """A coded string that may be words of any language, as consoles write them against PS3.5 6.2."""
        element = self._by_tag.get(self._tags[keyword])
        if element is None or element.value.isascii():
            return self.text(keyword)
        text = self.text(keyword)
        return element.value.decode("latin-1").strip(" \0")[:MOST_CHARACTERS] if "\ufffd" in text else text

    def _decoded(self, encoded: bytes) -> str:
        # Zero bytes belong to no character set of PS3.5, and PostgreSQL keeps none.
        value = encoded.replace(b"\0", b" ").strip(b" ")
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        try:
            declared = self.words("SpecificCharacterSet")
            if len(declared) == 1 and declared[0] in WITHOUT_EXTENSION:
                return decoded_whole(value, declared[0]).strip().rstrip("=")
            encodings = convert_encodings(list(declared) or [""])
            return decode_bytes(value, encodings, _DELIMITERS).strip().rstrip("=")
        except (LookupError, ValueError):
            return value.decode("latin-1")

    def date(self, keyword: str, *, partial: bool = False) -> str:
        """A date as YYYYMMDD, also where it is written as YYYY.MM.DD (PS3.5 6.2, note); empty if it is not a date.

        ``partial`` allows YYYYMM and YYYY. Whether the calendar has the day is not asked.
        """
        text = self.text(keyword)
        if match := _DAY.match(text):
            return match[1] + match[3] + match[4]
        match = _PART_OF_DAY.fullmatch(text.strip()) if partial else None
        return match[1] + (match[2] or "") if match else ""

    def count(self, keyword: str) -> int:
        """A number of rows, bits, frames …, stored as a binary integer or as text; 0 if absent or invalid."""
        numbers = self.numbers(keyword)
        return int(numbers[0]) if numbers and 0 <= numbers[0] < 1 << 31 else 0  # the range of IS

    def number(self, keyword: str, most: float) -> float | None:
        """The first number; None if absent, invalid or beyond ± ``most``, and 0 if next to nothing.

        Keeps squares and their sums finite: PostgreSQL rejects overflow and underflow.
        """
        numbers = self.numbers(keyword)
        if not numbers or abs(numbers[0]) > most:
            return None
        return numbers[0] if abs(numbers[0]) >= LEAST_NUMBER else 0.0

    def numbers(self, keyword: str) -> list[float]:
        """All finite numbers of an element, whatever its VR."""
        element = self._by_tag.get(self._tags[keyword])
        return self._numbers(element) if element else []

    def nested_numbers(self, sequence: str, keyword: str) -> list[float]:
        """The numbers of the first element ``keyword`` anywhere inside ``sequence``."""
        element = self._nested(sequence, self._tags[keyword])
        return self._numbers(element) if element else []

    def code(self, sequence: str, modifier: str = "") -> tuple[str, str]:
        """Coding Scheme Designator and Code Value of a code sequence's first item, or of a ``modifier`` sequence in it.

        The value may be long or a URN (PS3.3 8.1); both are empty if absent.
        """
        outer = self._by_tag.get(self._tags[sequence])
        if outer and modifier:
            outer = self._inside(outer, int(tag_for_keyword(modifier) or 0))
        return ("", "") if outer is None else self._code(outer)

    def nested_codes(self, sequence: str, wrapper: str, inner: str) -> tuple[tuple[str, str], ...]:
        """The different codes of the code sequence ``inner`` in each sequence ``wrapper`` anywhere in ``sequence``."""
        outer = self._by_tag.get(self._tags[sequence])
        if outer is None:
            return ()
        pattern = self._pattern(int(tag_for_keyword(wrapper) or 0))
        codes: dict[tuple[str, str], None] = {}
        at = outer.value.find(pattern)
        while at >= 0:
            # Only the bytes behind it: a wrapper of undefined length would be copied to the end of all frames.
            part = Element(outer.vr, outer.value[at : at + MOST_CODE_BYTES])
            code = self._inside(part, int(tag_for_keyword(inner) or 0))
            if code is not None:
                codes[self._code(code)] = None
            at = outer.value.find(pattern, at + len(pattern))
        return tuple(codes)

    def _code(self, outer: Element) -> tuple[str, str]:
        value = next((text for tag in _CODE_VALUES if (text := self._short_text(outer, tag))), "")
        return self._short_text(outer, 0x00080102), value

    def _short_text(self, outer: Element, tag: int) -> str:
        element = self._inside(outer, tag)
        return element.value.decode("latin-1").strip(" \0")[:MOST_CHARACTERS] if element else ""

    def nested_text(self, sequence: str, tag: int) -> str:
        """The text of the first element ``tag`` anywhere inside ``sequence``, as in :meth:`text`."""
        element = self._nested(sequence, tag)
        return self._decoded(element.value)[:MOST_CHARACTERS] if element else ""

    def inner_text(self, sequence: str, inner: int, tag: int) -> str:
        """The text of the first element ``tag`` in or behind the sequence ``inner`` of ``sequence``."""
        within = self._nested(sequence, inner)
        element = self._inside(within, tag) if within else None
        return self._decoded(element.value)[:MOST_CHARACTERS] if element else ""

    def item_texts(self, sequence: str, tags: tuple[int, ...]) -> tuple[str, ...]:
        """The texts of elements of the first item of ``sequence``, as in :meth:`text`, without sequences within it."""
        outer = self._by_tag.get(self._tags[sequence])
        if outer is None:
            return tuple("" for _ in tags)
        unknown = outer.vr == "UN"  # its value is in implicit VR little endian (PS3.5 6.2.2)
        item = first_item(
            outer.value,
            frozenset(tags),
            implicit=self._implicit or unknown,
            big_endian=self._order == ">" and not unknown,
        )
        return tuple(self._decoded(item[tag].value)[:MOST_CHARACTERS] if tag in item else "" for tag in tags)

    def _nested(self, sequence: str, tag: int) -> Element | None:
        outer = self._by_tag.get(self._tags[sequence])
        return self._inside(outer, tag) if outer else None

    def _inside(self, outer: Element, tag: int) -> Element | None:
        """Find an element by the bytes of its tag: sufficient for hints, and much faster than parsing items."""
        pattern = self._pattern(tag)
        at = outer.value.find(pattern)
        while at >= 0 and at % 2:
            at = outer.value.find(pattern, at + 1)
        if at < 0 or at + 8 > len(outer.value):
            return None
        head = outer.value[at : at + 12].ljust(12, b"\0")
        _, vr, length, size = element_head(head, implicit=self._implicit or outer.vr == "UN", order=self._order)
        return Element(vr, outer.value[at + size : at + size + length])

    def _pattern(self, tag: int) -> bytes:
        return pack(f"{self._order}HH", tag >> 16, tag & 0xFFFF)

    def _numbers(self, element: Element) -> list[float]:
        value, vr = element.value, element.vr
        try:
            if code := _INTEGERS.get(vr) or _FLOATS.get(vr):
                size = {"H": 2, "h": 2, "L": 4, "l": 4, "f": 4}.get(code, 8)
                numbers = unpack_from(f"{self._order}{len(value) // size}{code}", value)
            elif text := _as_text(value):
                numbers = tuple(float(part) for part in text.split("\\") if part.strip())
            elif vr in ("", "UN", "OB", "OW") and len(value) in (2, 4):
                numbers = unpack(self._order + ("H" if len(value) == 2 else "L"), value)
            else:
                return []
        except (ValueError, error):
            return []
        return [float(number) for number in numbers if isfinite(number)]


def _as_text(value: bytes) -> str:
    """The value as a decimal or integer string; empty if it is not one (implicit VR states no type)."""
    text = value.strip(b" \0")
    return text.decode("ascii") if text and not text.translate(None, b"0123456789+-.eE\\ ") else ""
