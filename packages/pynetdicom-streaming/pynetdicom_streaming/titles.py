"""AE titles of an association request that are padded or written otherwise than PS3.8 9.3.2 and PS3.5 6.2 say.

Devices pad with NUL, leave the title blank, or write it in another encoding. pynetdicom would abort, which tells a
device nothing; so such titles are made readable, and the rules for peers decide.
"""

from __future__ import annotations

_ASSOCIATE_RQ = 0x01
_CALLED, _CALLING = slice(10, 26), slice(26, 42)
UNREADABLE = b"?"
"""Stands for a character that AE titles cannot have, and for a title of blanks."""
_READABLE = bytes(
    code if 0x20 <= code < 0x7F and code != ord("\\") else UNREADABLE[0] if code >= 0x80 or code == ord("\\") else 0x20
    for code in range(256)
)


def are_readable(pdu: bytearray) -> bool:
    """Whether nothing in the titles of an A-ASSOCIATE-RQ was replaced but padding."""
    return pdu[:1] != bytes([_ASSOCIATE_RQ]) or UNREADABLE not in pdu[_CALLED.start : _CALLING.stop]


def with_readable_titles(pdu: bytearray) -> bytearray:
    """An A-ASSOCIATE-RQ with titles that pynetdicom takes; any other PDU unchanged."""
    if len(pdu) < _CALLING.stop or pdu[0] != _ASSOCIATE_RQ:
        return pdu
    readable = bytearray(pdu)
    for place in (_CALLED, _CALLING):
        title = pdu[place].translate(_READABLE)
        readable[place] = title if title.strip() else UNREADABLE.ljust(len(title))
    return readable
