"""Takes texts of a patient's headers out of what is kept: stored headers, and sentences, which cite them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from miqa_node.core.taxonomy.header_words import CITED, MODALITIES, WORDS, texts_of, without_texts
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction

HEADER, CAPTION, BODY_PART, VIEW = "header", "caption", "body_part", "view"
_PSEUDONYM = re.compile(r"op-[0-9a-f]{8}")
_SHORT = {BODY_PART: WORDS["body_part_examined"], VIEW: WORDS["view_position"], "modality": MODALITIES.__contains__}
"""Names that events and others give to values of a header."""


@dataclass(frozen=True, slots=True)
class HeaderTexts:
    """What goes of the headers: ``words`` are values of columns, ``cited`` those that sentences may have, too."""

    words: frozenset[str]
    cited: frozenset[str]

    @classmethod
    def of(cls, transaction: Transaction, images: sa.Select[tuple[str]]) -> HeaderTexts:
        """Those of the images, as their rows have them before they are emptied."""
        of, copy = t.instances.c, t.copies.c
        headers = [
            *transaction.execute(sa.select(of.header).where(of.digest.in_(images))).scalars(),
            *transaction.execute(sa.select(copy.header).where(copy.of.in_(images))).scalars(),
        ]
        named = transaction.execute(sa.select(of.operator).where(of.digest.in_(images)).distinct()).scalars()
        operators = {name for name in named if name and not _PSEUDONYM.fullmatch(name)}
        return cls(
            frozenset(operators.union(*(texts_of(one) for one in headers))),
            frozenset[str]().union(*(texts_of(one, CITED) for one in headers)),
        )

    def without_header(self, document: Any) -> Any:
        """A document that is a header, emptied."""
        return without_texts(document) if isinstance(document, Mapping) else document

    def without_citations(self, value: Any) -> Any:
        """A document without the texts of the header in it, and without what its sentences cite; keys stay."""
        if isinstance(value, str):
            return self._sentence(value)
        if isinstance(value, list):
            return [self.without_citations(one) for one in value]
        if not isinstance(value, Mapping):
            return value
        return {self._key(key): self._part(key, one) for key, one in value.items()}

    def _part(self, key: str, value: Any) -> Any:
        if key == HEADER and isinstance(value, Mapping):
            return without_texts(value)
        if key == CAPTION and isinstance(value, Mapping):  # a machine's words about the picture, whatever it shows
            return {**value, "sentences": []}
        if key in _SHORT and isinstance(value, str):
            return value if _SHORT[key](value) else ""
        if key == "values" and isinstance(value, Mapping):
            return {name: self._value(one) for name, one in value.items()}
        return self.without_citations(value)

    def _value(self, value: Any) -> Any:
        return self._taken_out(value) if isinstance(value, str) else self.without_citations(value)

    def _key(self, key: str) -> str:
        """A sentence may be the key of what it was made of."""
        return self._sentence(key)

    def _sentence(self, text: str) -> str:
        return self._taken_out(text) if " " in text else text  # a single word is a name of the program's

    def _taken_out(self, text: str) -> str:
        return _pattern(self.cited).sub("", text) if self.cited else text


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
