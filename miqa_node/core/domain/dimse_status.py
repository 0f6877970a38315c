"""DIMSE statuses and failure reasons in words (PS3.7 Annex C, PS3.4 B.2.3, PS3.18 I.2.2)."""

from __future__ import annotations

from collections.abc import Mapping

from miqa_node.core.language.phrase import Phrase

STATUS_WORDS: Mapping[int, str] = {
    0x0107: "attribute list error",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such SOP instance",
    0x0115: "invalid argument value",
    0x0116: "attribute value out of range",
    0x0117: "invalid SOP instance",
    0x0118: "no such SOP class",
    0x0119: "class and instance conflict",
    0x0120: "a required attribute is missing",
    0x0121: "a required attribute has no value",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0131: "duplicate transaction UID",
    0x0210: "duplicate invocation",
    0x0211: "unrecognised operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
    0xB000: "stored, data elements coerced",
    0xB006: "stored, data elements discarded",
    0xB007: "stored, data set does not match its SOP class",
    0xB00E: "the archive has it already",
    0xC122: "referenced transfer syntax not supported",
    0xFE00: "cancelled",
}
_RANGES = (
    (0xA700, 0xA800, "out of resources, the archive is full"),
    (0xA800, 0xA900, "move destination unknown"),
    (0xA900, 0xAA00, "data set does not match its SOP class"),
    (0xB000, 0xC000, "stored with a warning"),
    (0xC000, 0xD000, "the archive cannot understand it"),
)
RANGE_WORDS = tuple(words for _, _, words in _RANGES)


def in_words(status: int) -> str:
    """The status as hexadecimal number, with its words where the standard or common practice has any.

    >>> in_words(0xA700), in_words(0x0110), in_words(0x0042)
    ('0xA700: out of resources, the archive is full', '0x0110: processing failure', '0x0042')
    """
    general = (words for first, end, words in _RANGES if first <= status < end)
    words = STATUS_WORDS.get(status) or next(general, "")
    return Phrase("0x{status}: {words}", status=f"{status:04X}", words=Phrase(words)) if words else f"0x{status:04X}"
