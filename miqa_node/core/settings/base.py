"""Types that the tables of the settings are made of."""

from __future__ import annotations

import os
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def written(pattern: str, how: str) -> AfterValidator:
    """Refuse a text that ``pattern`` does not match as a whole; ``how`` completes "… is not"."""
    form = re.compile(pattern)

    def check(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(f"{text!r} is not {how}.")
        return text

    return AfterValidator(check)


Port = Annotated[int, Field(ge=0, le=65535)]
CENTURY_DAYS = 36_500
"""Nothing lasts longer: the moment that lies so long ago is still in Python's calendar."""

Seconds = Annotated[float, Field(gt=0, le=2_000_000)]
"""Something waits so long: no more than 23 days, since no socket waits for 2³¹ milliseconds."""
Span = Annotated[float, Field(gt=0, le=CENTURY_DAYS * 86_400)]
"""Seconds in which something counts that nobody waits for, such as a session."""
Pause = Annotated[float, Field(ge=0, le=CENTURY_DAYS * 86_400)]
"""The same; 0 is none."""
Count = Annotated[int, Field(ge=1, lt=2**63)]
Minutes = Annotated[int, Field(ge=1, le=CENTURY_DAYS * 1440)]
Days = Annotated[int, Field(ge=0, le=CENTURY_DAYS)]
"""A number of days; 0 is never."""
DaysKept = Annotated[int, Field(ge=1, le=CENTURY_DAYS)]

Share = Annotated[float, Field(ge=0, le=1)]
AeTitle = Annotated[
    str, written(r"[\x20-\x5b\x5d-\x7e]{1,16}", "an AE title: 1 to 16 characters of ASCII without backslash")
]


class SettingsTable(BaseModel):
    """A table of the settings file. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
