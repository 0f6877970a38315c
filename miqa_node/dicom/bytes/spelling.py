"""Text in ASCII without a question mark, where a field or a broken character set can hold nothing else."""

from __future__ import annotations

import unicodedata

TYPOGRAPHY = str.maketrans({
    "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "×": "x", "·": "*", "°": " degrees", "…": "...",
    "“": '"', "”": '"', "„": '"', "’": "'", "‘": "'",
})  # fmt: skip
"""Typographic signs of the node's own phrases with their ASCII spelling; letters stay."""
_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


def spelled(text: str) -> str:
    """The text in ASCII without loss.

    >>> spelled("Größe 患者~")
    'Groesse <U+60A3><U+8005>-'
    """
    plain = unicodedata.normalize("NFC", text).translate(TYPOGRAPHY).translate(_LETTERS).replace("~", "-")
    return "".join(one if one.isascii() else _spell(one) for one in plain)


def _spell(character: str) -> str:
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    return base if base and base.isascii() else f"<U+{ord(character):04X}>"
