"""The character sets of the standard (PS3.3 C.12.1.1.2): pydicom's table completed, and strict coding.

pydicom guesses if bytes are not valid characters, and writes a question mark if a character has no code; here both
are errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pydicom import charset
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, TEXT_VR_DELIMS

ASCII = ("ascii",)
UTF_8 = "ISO_IR 192"
_LATIN_9 = "iso8859_15"
_GB_2312 = "iso_ir_58"
_DEFAULT = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})
_ALONE = frozenset({"ISO_IR 192", "GB18030", "GBK"})
WITHOUT_EXTENSION = {
    "ISO_IR 58": _GB_2312,
    "ISO_IR 87": "iso2022_jp",
    "ISO_IR 149": "euc_kr",
    "ISO_IR 159": "iso2022_jp_2",
}
"""Multi-byte sets that PS3.3 defines with code extension only (ISO 2022 IR …) and some devices declare without it."""
_DESIGNATIONS = re.compile(rb"\x1b\$\)[AC]")
"""Escape sequences that Python's codecs of GB 2312 and KS X 1001 do not read."""
_JIS_ROMAN = "shift_jis"
"""pydicom's name for JIS X 0201, which has other characters in place of backslash and tilde."""

Recode = Callable[[str, bytes], bytes]
"""Converts the value of a text element, given its VR, to another character set; UnicodeError if in doubt."""


def complete() -> None:
    """Add Latin alphabet No. 9, sets that are declared without code extension, and GB 2312.

    Python's codec of the latter leaves the escape sequence in the text.
    """
    charset.python_encoding |= {"ISO_IR 203": _LATIN_9, "ISO 2022 IR 203": _LATIN_9, **WITHOUT_EXTENSION}
    charset.CODES_TO_ENCODINGS[charset.ESC + b"-b"] = _LATIN_9
    charset.ENCODINGS_TO_CODES[_LATIN_9] = charset.ESC + b"-b"
    charset.handled_encodings = tuple(name for name in charset.handled_encodings if name != _GB_2312)  # type: ignore[assignment]  # not of a fixed length


def decoded_whole(value: bytes, name: str) -> str:
    """A value in one of :data:`WITHOUT_EXTENSION`, with or without escape sequences; UnicodeError if it is not."""
    return _DESIGNATIONS.sub(b"", value).decode(WITHOUT_EXTENSION[name])


def declared_sets(header: Dataset) -> tuple[str, ...]:
    """The values of Specific Character Set; one empty value if there is none."""
    value = header.get("SpecificCharacterSet")
    values = value if isinstance(value, (MultiValue, list)) else [value or ""]
    return tuple(str(one or "").strip() for one in values) or ("",)


def is_known(declared: Sequence[str]) -> bool:
    """Whether text can be written in these sets: they are the standard's, and have a codec."""
    return not WITHOUT_EXTENSION.keys() & set(declared) and _encodings(declared) is not None


def recoder(declared: Sequence[str], target: Sequence[str] = (UTF_8,)) -> Recode:
    """Recodes values from the declared character sets to others, which must contain all characters."""
    encodings, targets = _encodings(declared), _encodings(target)

    def recode(vr: str, value: bytes) -> bytes:
        if vr not in CUSTOMIZABLE_CHARSET_VR or (value.isascii() and charset.ESC not in value):
            return value
        if encodings is None or targets is None:
            raise UnicodeError("the character set is not known")
        delimiters = _delimiters(vr)
        text = _decode(value, encodings, delimiters)
        # Text that does not survive the round trip is not what the sender wrote.
        if not _returns(text, encodings, delimiters):
            raise UnicodeError("the source's text does not keep to its character set")
        if not _returns(text, targets, delimiters):
            raise UnicodeError("the character set does not hold the text")
        return _in_parts(text, targets, delimiters)

    return recode


def holds(text: str, declared: Sequence[str]) -> bool:
    """Whether a text beyond ASCII survives encoding and decoding in the declared sets."""
    encodings = _encodings(declared)
    return encodings is not None and _fits(text, encodings)


def decoded_text(vr: str, value: bytes, character_sets: Sequence[str]) -> str:
    """A value that was written in these sets (:func:`fitting_sets`); UnicodeError if it is not in them."""
    if tuple(character_sets) == ASCII or vr not in CUSTOMIZABLE_CHARSET_VR:
        return value.decode("ascii")
    encodings = _encodings(character_sets)
    if encodings is None:
        raise UnicodeError("the character set is not known")
    return _decode(value, encodings, _delimiters(vr))


def _encodings(declared: Sequence[str]) -> tuple[str, ...] | None:
    """Python's encodings, in the order of the values; None if one is unknown, or cannot be combined with others."""
    if len(declared) > 1 and _ALONE & set(declared):
        return None
    names = [charset.python_encoding.get(name) for name in declared if name not in _DEFAULT or name == declared[0]]
    return None if None in names else tuple(name for name in names if name is not None)


def _fits(text: str, encodings: Sequence[str]) -> bool:
    if _is_beyond_default(text, encodings) or tuple(encodings) == (_JIS_ROMAN,):
        return False
    try:
        return _decode(_encode(text, encodings), encodings, TEXT_VR_DELIMS) == text
    except UnicodeError:
        return False


def _is_beyond_default(text: str, encodings: Sequence[str]) -> bool:
    """Whether the text has a Latin-1 character that only pydicom accepts in the default repertoire."""
    return encodings[0] == charset.default_encoding and any(127 < ord(one) < 256 for one in text)


def _returns(text: str, encodings: Sequence[str], delimiters: set[int]) -> bool:
    """Whether a text survives encoding and decoding."""
    encoded = _in_parts(text, encodings, delimiters)
    return not _is_beyond_default(text, encodings) and _decode(encoded, encodings, delimiters) == text


def _in_parts(text: str, encodings: Sequence[str], delimiters: set[int]) -> bytes:
    """The encoded text; each part begins in the first set (PS3.5 6.1.2.5.3)."""
    parts = re.split(f"([{re.escape(''.join(map(chr, sorted(delimiters))))}])", text)
    return b"".join(_encode(part, encodings) for part in parts if part)


def _delimiters(vr: str) -> set[int]:
    """Bytes after which the first character set applies again (PS3.5 6.1.2.5.3)."""
    return TEXT_VR_DELIMS | ({0x5C, 0x5E, 0x3D} if vr == "PN" else set() if vr in ("LT", "ST", "UT") else {0x5C})


def _encode(text: str, encodings: Sequence[str]) -> bytes:
    """The bytes; UnicodeError if a character has no code, where pydicom would write a question mark."""
    if not all(any(_has(one, encoding) for encoding in encodings) for one in text):
        raise UnicodeError("a character has no code in the declared sets")
    return text.encode(encodings[0]) if len(encodings) == 1 else charset.encode_string(text, list(encodings))


def _has(character: str, encoding: str) -> bool:
    try:
        code = character.encode(encoding)
    except UnicodeError:
        return False
    return encoding != _JIS_ROMAN or len(code) == 1


def _decode(value: bytes, encodings: Sequence[str], delimiters: set[int]) -> str:
    """The text; UnicodeError if bytes are not valid characters."""
    if len(encodings) == 1:
        return _without_default(value, encodings[0]).decode(encodings[0])
    try:
        text = charset.decode_bytes(value, list(encodings), delimiters)
    except (UserWarning, LookupError) as error:
        raise UnicodeError("bytes that are no characters") from error
    if "\N{REPLACEMENT CHARACTER}" in text or "\x1b" in text:
        raise UnicodeError("bytes that are no characters")
    return text


def _without_default(value: bytes, encoding: str) -> bytes:
    """The bytes; those outside the default repertoire are an error, not Latin-1."""
    if encoding == charset.default_encoding:
        value.decode("ascii")
    return value
