"""A text that knows what it was made of: a message and its values, so that it can be said in another language.

It is the English text to everything that compares, stores or sends it (docs/adr/0013-phrases.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self


class Phrase(str):
    """A message with values in its braces; values may be phrases.

    >>> Phrase("{part} comes in pairs.", part=Phrase("The hand"))
    'The hand comes in pairs.'
    """

    __slots__ = ("forms", "message", "values")
    message: str
    values: Mapping[str, str]
    forms: Sequence[str]
    """The messages for one thing and for several, of a text about ``{count}`` things; other languages may have more."""

    def __new__(cls, message: str, /, **values: object) -> Self:
        """Put it together in English. Values become texts; an error that is a value brings its phrase."""
        if isinstance(message, cls) and not values:
            return message
        texts = {name: one if isinstance(one, Phrase) else str(one) for name, one in values.items()}
        phrase = super().__new__(cls, message.format(**texts) if texts else message)
        phrase.message, phrase.values, phrase.forms = str(message), texts, ()
        return phrase

    @classmethod
    def of_number(cls, one: str, many: str, count: int, **values: object) -> Self:
        """It for a number of things, ``{count}`` in its messages.

        >>> Phrase.of_number("{count} image waits.", "{count} images wait.", 1)
        '1 image waits.'
        """
        phrase = cls(one if count == 1 else many, count=count, **values)
        phrase.forms = one, many
        return phrase

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:
        """It reaches other processes as what it was made of."""
        return (self.message,), dict(self.values)

    def parts(self) -> dict[str, Any]:
        """What it was made of, as JSON.

        >>> Phrase("{part} is cut.", part=Phrase("The hand"), count="2").parts()["values"]["part"]
        {'message': 'The hand', 'values': {}}
        """
        values = {name: one.parts() if isinstance(one, Phrase) else one for name, one in self.values.items()}
        return {"message": self.message, "values": values, **({"forms": list(self.forms)} if self.forms else {})}

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Self:
        """The phrase that gave these :meth:`parts`."""
        values = {name: one if isinstance(one, str) else cls.of(one) for name, one in parts["values"].items()}
        phrase = cls(parts["message"], **values)
        phrase.forms = tuple(parts.get("forms", ()))
        return phrase


def joined(separator: str, phrases: Sequence[str]) -> str:
    """Several texts as one phrase; its message has nothing to translate.

    >>> joined("; ", [Phrase("One"), "two"])
    'One; two'
    """
    names = [f"part{number}" for number, _ in enumerate(phrases)]
    return Phrase(separator.join(f"{{{name}}}" for name in names), **dict(zip(names, phrases, strict=True)))
