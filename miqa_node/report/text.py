"""The character set of a result: that of the source where it can encode what the node adds, else UTF-8.

What was inherited stays byte for byte as long as the set stays. Under UTF-8 it is recoded, and only if every value can
be decoded without doubt; where a source breaks its own declaration, the node's text is spelled in ASCII instead,
characters without a spelling by their code point, so that nothing turns into a question mark.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from pydicom import charset
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, TEXT_VR_DELIMS

ASCII = ("ascii",)
UTF_8 = "ISO_IR 192"
TYPOGRAPHY = str.maketrans({
    "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "×": "x", "·": "*", "°": " degrees", "…": "...",
    "“": '"', "”": '"', "„": '"', "’": "'", "‘": "'",
})  # fmt: skip
"""Signs of the node's own phrases with a usual spelling in ASCII; letters stay."""
_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
_DEFAULT = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})
_ALONE = frozenset({"ISO_IR 192", "GB18030", "GBK"})
_JIS_ROMAN = "shift_jis"
"""pydicom's name of JIS X 0201, which has other signs in the place of backslash and tilde."""

Recode = Callable[[str, bytes], bytes]
"""Gives the value of a text element in another character set, by its VR; UnicodeError if that is in doubt."""


def typed_text(text: str, limit: int | None = None) -> str:
    r"""What a person typed, in one line, cut to ``limit`` characters; a backslash, which separates values, is a slash.

    >>> typed_text("Größe: 37° \n患者が動いた")
    'Größe: 37° 患者が動いた'
    """
    visible = "".join(" " if unicodedata.category(one) == "Cc" else one for one in text)
    return " ".join(visible.replace("\\", "/").split())[:limit].strip()


def phrase(text: str, limit: int | None = None) -> str:
    """A phrase of the node, or of a package: the same, with typographic signs spelled out.

    >>> phrase("Aufnahme zu spät – ≥ 5 %")
    'Aufnahme zu spät - >= 5 %'
    """
    return typed_text(text.translate(TYPOGRAPHY), limit)


def spelled(text: str) -> str:
    """The text in ASCII, for a source whose character set is broken: no letter is lost.

    >>> spelled("Größe 患者~")
    'Groesse <U+60A3><U+8005>-'
    """
    plain = unicodedata.normalize("NFC", text).translate(TYPOGRAPHY).translate(_LETTERS).replace("~", "-")
    return "".join(one if one.isascii() else _spell(one) for one in plain)


def _spell(character: str) -> str:
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    return base if base and base.isascii() else f"<U+{ord(character):04X}>"


def declared_sets(header: Dataset) -> tuple[str, ...]:
    """The values of Specific Character Set; one empty value if there is none."""
    value = header.get("SpecificCharacterSet")
    values = value if isinstance(value, (MultiValue, list)) else [value or ""]
    return tuple(str(one or "").strip() for one in values) or ("",)


def fitting_sets(own: Dataset, declared: Sequence[str]) -> tuple[str, ...] | None:
    """The character sets to write ``own`` in, as pydicom's writer takes them; None if the declared ones do not hold it.

    ASCII is in every set that PS3.3 C.12.1.1.2 allows, also in those that this machine has no codec for.
    """
    texts = list(_texts(own))
    roman = any(name.endswith("IR 13") for name in declared) and any("~" in one for one in texts)
    if all(one.isascii() for one in texts) and not roman:
        return ASCII
    encodings = _encodings(declared)
    if encodings is None or roman or not all(_fits(one, encodings) for one in texts if not one.isascii()):
        return None
    return tuple(declared)


def recoder(declared: Sequence[str]) -> Recode:
    """Recodes values from the declared character sets to UTF-8."""
    encodings = _encodings(declared)

    def recode(vr: str, value: bytes) -> bytes:
        if vr not in CUSTOMIZABLE_CHARSET_VR or (value.isascii() and charset.ESC not in value):
            return value
        if encodings is None:
            raise UnicodeError("the source's character set is not known")
        delimiters = _delimiters(vr)
        text = _decode(value, encodings, delimiters)
        # What does not come back is not what the sender wrote. Each part begins in the first set (PS3.5 6.1.2.5.3).
        parts = re.split(f"([{re.escape(''.join(map(chr, delimiters)))}])", text)
        again = b"".join(_encode(part, encodings) for part in parts if part)
        if _is_beyond_default(text, encodings) or _decode(again, encodings, delimiters) != text:
            raise UnicodeError("the source's text does not keep to its character set")
        return text.encode("utf-8")

    return recode


def decoded_text(vr: str, value: bytes, character_sets: Sequence[str]) -> str:
    """A value that was written in these sets (:func:`fitting_sets`); UnicodeError if it is not in them."""
    if tuple(character_sets) == ASCII or vr not in CUSTOMIZABLE_CHARSET_VR:
        return value.decode("ascii")
    encodings = _encodings(character_sets)
    if encodings is None:
        raise UnicodeError("the character set is not known")
    return _decode(value, encodings, _delimiters(vr))


def spell_texts(own: Dataset) -> None:
    """Replace what is not ASCII in every text of ``own``."""
    for item, element in _elements(own):
        value = element.value
        if isinstance(value, MultiValue):
            item[element.tag].value = [spelled(str(one)) for one in value]
        elif value:
            item[element.tag].value = spelled(str(value))


def _elements(ds: Dataset) -> Iterator[tuple[Dataset, DataElement]]:
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
        elif element.VR in CUSTOMIZABLE_CHARSET_VR:
            yield ds, element


def _texts(own: Dataset) -> Iterator[str]:
    for _, element in _elements(own):
        value = element.value
        yield from map(str, value if isinstance(value, MultiValue) else [value or ""])


def _encodings(declared: Sequence[str]) -> tuple[str, ...] | None:
    """Python's encodings, in the order of the values; None if one is not known, or cannot stand beside others."""
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
    """Whether a character is one that pydicom alone, with Latin-1, has in the default repertoire."""
    return encodings[0] == charset.default_encoding and any(127 < ord(one) < 256 for one in text)


def _delimiters(vr: str) -> set[int]:
    """After which bytes a value begins anew in the first character set (PS3.5 6.1.2.5.3)."""
    return TEXT_VR_DELIMS | ({0x5C, 0x5E, 0x3D} if vr == "PN" else set() if vr in ("LT", "ST", "UT") else {0x5C})


def _encode(text: str, encodings: Sequence[str]) -> bytes:
    """UnicodeError if a character has no code; pydicom itself would write a question mark."""
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
    """UnicodeError if bytes are no characters."""
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
    """The bytes; those that the default repertoire does not have are an error, and not Latin-1."""
    if encoding == charset.default_encoding:
        value.decode("ascii")
    return value
