"""Says the narrative in a language: words of the catalogues (miqa_node/language), numbers as people write them."""

from __future__ import annotations

import gettext
import re
from dataclasses import dataclass
from functools import cache

from miqa_node.domain.codes import Code
from miqa_node.errors import SettingsError
from miqa_node.language.catalogue import DECIMAL_COMMA, NAMES, catalogue, languages


@dataclass(frozen=True, slots=True)
class Voice:
    """One language: how words and numbers are said in it."""

    language: str
    translations: gettext.NullTranslations

    def say(self, message: str, **values: str) -> str:
        """The message in this language with the values in its braces."""
        translation = self.translations.gettext(message)
        return translation.format(**values) if values else translation

    def number(self, value: float, digits: int = 2) -> str:
        """A number with this many significant digits, never in powers of ten."""
        text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
        if "e" in text:
            text = f"{value:.6f}".rstrip("0").rstrip(".")
        return self.numerals(text.replace("-", "−"))

    def numerals(self, text: str) -> str:
        """Decimal points of a text as this language writes them."""
        return re.sub(r"(?<=\d)\.(?=\d)", ",", text) if self.language in DECIMAL_COMMA else text

    @property
    def code(self) -> Code:
        """The language as DICOM codes it (CID 5000, by RFC 5646)."""
        return Code(self.language, "RFC5646", NAMES.get(self.language, self.language))


@cache
def voice(language: str) -> Voice:
    """The language; SettingsError lists the available ones if it is unknown."""
    if language not in languages():
        raise SettingsError(f"node.language is {language!r}; the node speaks {', '.join(languages())}.")
    return Voice(language, catalogue(language))
