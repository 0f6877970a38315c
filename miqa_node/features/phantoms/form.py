"""Values that people and programs send to the log of phantoms."""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated

from pydantic import Field

from miqa_node.core.language.catalogue import DECIMAL_COMMA, LANGUAGE
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError
from miqa_node.interfaces.web.values import NO_CONTROLS

HISTORY = r"^[0-9a-f]{16}$"
VALUE_NAME = r"^[A-Za-z0-9_.]{1,128}$"
MAX_STACK = 10_000
Change = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROLS, description="What was changed.")]
NumberText = Annotated[str, Field(max_length=32)]
"""A number as people write it, with a decimal comma or point; empty for none."""


_MANY = re.compile(r"(?<=\d)\s(?=\d{3}(\D|$))")
"""Between thousands: a space, also the narrow one of pages."""
_EITHER = re.compile(r"[-−+]?[1-9]\d{0,2}([.,])\d{3}")
"""What may be thousands or decimals, told apart by the mark alone."""


def typed(number: float) -> str:
    """The number as :func:`number_of` reads it again, every digit of it.

    >>> typed(94.0), typed(0.125), typed(1234567.25)
    ('94', '0.125', '1234567.25')
    """
    text = f"{number:.15g}"
    return text.replace(".", ",") if LANGUAGE.get() in DECIMAL_COMMA else text


def number_of(text: str, least: float | None = None) -> float | None:
    """The number; None for an empty text.

    A mark between what may be thousands is refused, unless the language that is spoken writes decimals so.

    >>> number_of("0,5"), number_of(" "), number_of("-3.25"), number_of("1 374")
    (0.5, None, -3.25, 1374.0)
    """
    alone = _MANY.sub("", text.strip())
    either = _EITHER.fullmatch(alone)
    if either and either[1] != ("," if LANGUAGE.get() in DECIMAL_COMMA else "."):
        raise ConflictError(
            Phrase("{text} can be read in two ways; write it without a mark between thousands.", text=text)
        )
    written = alone.replace(",", ".").replace("−", "-")
    if not written:
        return None
    try:
        number = float(written)
    except ValueError as error:
        raise ConflictError(Phrase("{text} is not a number.", text=text)) from error
    if not isfinite(number) or (least is not None and number < least):
        raise ConflictError(Phrase("{text} cannot be a limit here.", text=text))
    return number
