"""DIMSE statuses and failure reasons in words (PS3.7 Annex C, PS3.4 B.2.3, C.4.1 to C.4.3, PS3.18 I.2.2)."""

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
_NO_SEARCH = ((0xA700, 0xA800, "it searches no further"), (0xC000, 0xD000, "it cannot do this search"))
_NOT_SENT = (
    (0xA701, 0xA702, "it cannot count the matches"),
    (0xA702, 0xA703, "it cannot send the objects"),
    (0xA700, 0xA800, "it cannot do this now"),
    (0xA801, 0xA802, "move destination unknown"),
    (0xA900, 0xAA00, "it does not understand what it was asked for"),
    (0xB000, 0xB001, "it could not send some objects"),
    (0xC000, 0xD000, "it cannot do this"),
)
_OF_SERVICES = {"C-FIND": (*_NO_SEARCH, _NOT_SENT[4]), "C-GET": _NOT_SENT, "C-MOVE": _NOT_SENT}
RANGE_WORDS = tuple(dict.fromkeys(words for _, _, words in (*_RANGES, *_NO_SEARCH, *_NOT_SENT)))


def in_words(status: int, service: str = "C-STORE") -> str:
    """The status as hexadecimal number, with its words where the standard or common practice has any.

    >>> in_words(0xA700), in_words(0x0110), in_words(0x0042)
    ('0xA700: out of resources, the archive is full', '0x0110: processing failure', '0x0042')
    """
    own = _OF_SERVICES.get(service, ())
    general = (words for first, end, words in _RANGES if first <= status < end and not own)
    words = next((words for first, end, words in own if first <= status < end), "")
    words = words or STATUS_WORDS.get(status) or next(general, "")
    return Phrase("0x{status}: {words}", status=f"{status:04X}", words=Phrase(words)) if words else f"0x{status:04X}"
