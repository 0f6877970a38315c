"""Completes pydicom's table of character sets to that of the standard (PS3.3 C.12.1.1.2), wherever text is decoded."""

from __future__ import annotations

from pydicom import charset

_LATIN_9 = "iso8859_15"
_GB_2312 = "iso_ir_58"


def complete() -> None:
    """Latin alphabet No. 9, and GB 2312, whose escape sequence Python's codec leaves in the text."""
    charset.python_encoding |= {"ISO_IR 203": _LATIN_9, "ISO 2022 IR 203": _LATIN_9}
    charset.CODES_TO_ENCODINGS[charset.ESC + b"-b"] = _LATIN_9
    charset.ENCODINGS_TO_CODES[_LATIN_9] = charset.ESC + b"-b"
    charset.handled_encodings = tuple(name for name in charset.handled_encodings if name != _GB_2312)  # type: ignore[assignment]  # not of a fixed length
