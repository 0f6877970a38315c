"""Types of the values that people and programs filter by: days, moments, and texts that the database takes."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from miqa_node.core.domain.calendar import FIRST_DAY, FIRST_MOMENT, LAST_DAY, LAST_MOMENT

Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
Moment = Annotated[AwareDatetime, Field(ge=FIRST_MOMENT, le=LAST_MOMENT, description="With time zone.")]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
"""PostgreSQL does not accept NUL, and the other control characters are invisible."""


class Strict(BaseModel):
    """Unknown parameters and keys are errors, so that spelling mistakes are noticed."""

    model_config = ConfigDict(extra="forbid")
