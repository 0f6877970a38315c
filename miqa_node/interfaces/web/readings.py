"""What the forms of blinded readings share: grades, how sure a reader is, and reasons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Form

from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.study_protocol import Grade
from miqa_node.errors import InputError

Rating = Annotated[int, Form(ge=0, le=100)]
"""How sure a reader is that the image has to be repeated."""
READING = {
    "grades": list(Grade),
    "reasons": sorted(REASON_CODES.values(), key=lambda code: code.meaning),
}
"""What the form ``reading_form.html`` needs."""


def meanings(reasons: Iterable[str] | None) -> tuple[str, ...]:
    """The words of the reasons' codes, each once; InputError if one is not of the form."""
    codes = tuple(dict.fromkeys(reasons or ()))
    if not set(codes) <= set(REASON_CODES):
        raise InputError("A reason is not one of the form.")
    return tuple(REASON_CODES[code].meaning for code in codes)
