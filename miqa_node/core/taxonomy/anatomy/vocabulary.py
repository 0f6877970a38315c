"""One kind of terms, such as body parts: the standard's term for a code or for the words that a console writes."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

SCT = "SCT"
RETIRED_SCHEMES = frozenset({"SRT", "SNM3", "99SDM"})
"""Designators of SNOMED RT, which is one scheme under three names (PS3.16 8, Table 8-1)."""
_ABBREVIATION = re.compile(r"\b(\w)[.](?=\w\b)")
_GLUED = re.compile(r"(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Z])")
_NOT_WORDS = re.compile(r"[^A-Z0-9]+")

Digits = Annotated[str, Field(pattern=r"^[0-9]{5,18}$")]
SnomedId = Annotated[str, Field(pattern=r"^[A-Z]-[0-9A-Z]{5}$")]


class TermEntry(BaseModel):
    """What names a term beside itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    """The meaning of its code."""
    en: str = ""
    de: str = ""
    """How people say it, in each language that has a catalogue; empty: as its code means it."""
    sct: tuple[Digits, ...] = ()
    dcm: tuple[Digits, ...] = ()
    srt: tuple[SnomedId, ...] = ()
    words: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    """Terms of the parts that a combined term stands for."""
    modality: str = ""
    """In images of this modality, words for the chest mean this: "Brust" and "borst" are both."""


_ENTRIES = TypeAdapter(dict[str, TermEntry])


class Vocabulary:
    """The concepts of a file, and a site's own words for them.

    ``site`` maps words, or a private code as ``"<scheme> <value>"``, to a term or to other words for it.
    """

    def __init__(self, concepts: Mapping[str, TermEntry], site: Mapping[str, str] | None = None) -> None:
        self._concepts = concepts
        self._terms = {plain(word): term for term, concept in concepts.items() for word in (term, *concept.words)}
        self._longest = max(len(phrase.split()) for phrase in self._terms)
        self._by_modality = {concept.modality: term for term, concept in concepts.items() if concept.modality}
        self._codes = {(SCT, code): term for term, concept in concepts.items() for code in concept.sct}
        self._codes |= {("DCM", code): term for term, concept in concepts.items() for code in concept.dcm}
        self._codes |= {("SRT", code): term for term, concept in concepts.items() for code in concept.srt}
        self._site = {plain(words): self.term(target) or target for words, target in (site or {}).items()}
        self._terms |= {words: term for words, term in self._site.items() if words}
        self._longest = max(self._longest, *(len(words.split()) for words in self._site), 1)

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """The concepts of a TOML file."""
        return cls(_ENTRIES.validate_python(tomllib.loads(path.read_text("utf-8"))))

    def extended(self, site: Mapping[str, str]) -> Vocabulary:
        """The same with a site's words."""
        return Vocabulary(self._concepts, site) if site else self

    @cached_property
    def terms(self) -> frozenset[str]:
        """All terms."""
        return frozenset(self._concepts)

    @cached_property
    def combined(self) -> Mapping[str, frozenset[str]]:
        """Terms that stand for several parts, with these."""
        return {term: frozenset(concept.parts) for term, concept in self._concepts.items() if concept.parts}

    def together(self, terms: AbstractSet[str]) -> str:
        """The term for several parts together, else all of them; empty without any."""
        whole = next((term for term, parts in self.combined.items() if parts == terms), "")
        return whole or " ".join(sorted(terms))

    def of_modality(self, modality: str) -> str:
        """The only term of images of a modality; empty for those that show anything."""
        return self._by_modality.get(modality, "")

    def concept(self, term: str) -> TermEntry:
        """What names a term; KeyError if it is not one."""
        return self._concepts[term]

    def words_for(self, term: str, language: str) -> str:
        """How people say a term in a language, or in English; the text itself if it is none."""
        entry = self._concepts.get(term)
        return term if entry is None else getattr(entry, language, "") or entry.en or entry.title

    def of_code(self, scheme: str, value: str) -> str:
        """The term of a coded concept, by its value and designator, never by its meaning; empty if unknown."""
        scheme = "SRT" if scheme in RETIRED_SCHEMES else scheme
        return self._codes.get((scheme, value), "") or self._site.get(plain(f"{scheme} {value}"), "")

    def term(self, text: str) -> str:
        """The only term that ``text`` names; empty if it names none, or several."""
        named = self.named(text)
        return next(iter(named)) if len(named) == 1 else ""

    def named(self, text: str) -> dict[str, str]:
        """Every term in ``text`` with the words that named it: from the left, the longest words first."""
        tokens = plain(text).split()
        named: dict[str, str] = {}
        at = 0
        while at < len(tokens):
            for size in range(min(self._longest, len(tokens) - at), 0, -1):
                phrase = " ".join(tokens[at : at + size])
                if term := self._terms.get(phrase):
                    named.setdefault(term, phrase)
                    at += size
                    break
            else:
                at += 1
        return named

    def canonical(self, text: str) -> str:
        """The term of ``text`` if it names one, else ``text`` in capitals."""
        return self.term(text) or text.upper()

    def spellings(self, text: str) -> tuple[str, ...]:
        """Everything that an element with the same meaning as ``text`` may hold, for columns of earlier versions."""
        term = self.term(text)
        concept = self._concepts.get(term)
        own = [words for words, target in self._site.items() if target == term]
        return tuple(dict.fromkeys([text, *((term, *concept.words, concept.title, *own) if concept else ())]))

    def expanded(self, texts: Iterable[str]) -> frozenset[str]:
        """``texts`` and the terms that they mean."""
        texts = tuple(texts)
        return frozenset(texts) | {self.canonical(text) for text in texts}


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Capitals and digits separated by single spaces, without accents and punctuation.

    >>> plain("Thorax p.a."), plain("TÓRAX_AP"), plain("CHEST_1VIEW")
    ('THORAX PA', 'TORAX AP', 'CHEST 1 VIEW')
    """
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode("ascii").upper()
    return _NOT_WORDS.sub(" ", _GLUED.sub(" ", _ABBREVIATION.sub(r"\1", letters))).strip()
