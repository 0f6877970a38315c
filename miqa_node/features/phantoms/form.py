"""Values that people and programs send to the log of phantoms."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from pydantic import Field

from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError
from miqa_node.interfaces.web.values import NO_CONTROLS

HISTORY = r"^[0-9a-f]{16}$"
VALUE_NAME = r"^[A-Za-z0-9_.]{1,128}$"
MAX_STACK = 10_000
Change = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROLS, description="What was changed.")]
NumberText = Annotated[str, Field(max_length=32)]
"""A number as people write it, with a decimal comma or point; empty for none."""


def number_of(text: str, least: float | None = None) -> float | None:
    """The number; None for an empty text.

    >>> number_of("0,5"), number_of(" "), number_of("-3.25")
    (0.5, None, -3.25)
    """
    written = text.strip().replace(",", ".").replace("−", "-")
    if not written:
        return None
    try:
        number = float(written)
    except ValueError as error:
        raise ConflictError(Phrase("{text} is not a number.", text=text)) from error
    if not isfinite(number) or (least is not None and number < least):
        raise ConflictError(Phrase("{text} cannot be a limit here.", text=text))
    return number
