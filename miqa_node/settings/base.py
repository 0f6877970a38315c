"""Types that the tables of the settings are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x20-\x5b\x5d-\x7e]+$")]


class SettingsTable(BaseModel):
    """A table of the settings file. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
