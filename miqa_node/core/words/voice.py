"""Writes the narrative in one language: messages of the catalogues (miqa_node/core/language) and localised numbers."""

from __future__ import annotations

import gettext
import re
from dataclasses import dataclass
from functools import cache

from miqa_node.core.domain.codes import Code
from miqa_node.core.language.catalogue import DECIMAL_COMMA, NAMES, catalogue, languages
from miqa_node.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Voice:
    """One language with its words and number format."""

    language: str
    translations: gettext.NullTranslations

    def say(self, message: str, **values: str) -> str:
        """The message in this language, with the values filled in."""
        translation = self.translations.gettext(message)
        return translation.format(**values) if values else translation

    def number(self, value: float, digits: int = 2) -> str:
        """A number with this many significant digits, never in exponential notation."""
        text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
        if "e" in text:
            text = f"{value:.6f}".rstrip("0").rstrip(".")
        return self.numerals(text.replace("-", "−"))

    def numerals(self, text: str) -> str:
        """The text with this language's decimal separator."""
        return re.sub(r"(?<=\d)\.(?=\d)", ",", text) if self.language in DECIMAL_COMMA else text

    @property
    def code(self) -> Code:
        """The DICOM code of the language (CID 5000, by RFC 5646)."""
        return Code(self.language, "RFC5646", NAMES.get(self.language, self.language))


@cache
def voice(language: str) -> Voice:
    """The language; SettingsError lists the available ones if it is unknown."""
    if language not in languages():
        raise SettingsError(f"node.language is {language!r}; the node speaks {', '.join(languages())}.")
    return Voice(language, catalogue(language))
