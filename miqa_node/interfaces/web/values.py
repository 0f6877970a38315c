"""Types of the values that people and programs filter by: days, moments, and texts that the database takes."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from miqa_node.core.domain.calendar import FIRST_DAY, FIRST_MOMENT, LAST_DAY, LAST_MOMENT, MONTH
from miqa_node.core.domain.instance import ANY_UID

Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
Moment = Annotated[AwareDatetime, Field(ge=FIRST_MOMENT, le=LAST_MOMENT, description="With time zone.")]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
"""PostgreSQL does not accept NUL, and the other control characters are invisible."""
DIGEST = r"^[0-9a-f]{64}$"
FORMS = {
    NO_CONTROLS: "It may not have control characters or line breaks.",
    rf"^{ANY_UID}$": "It is not a UID or digest.",
    rf"^({ANY_UID})?$": "It is not a UID or digest.",
    r"^[0-9.]{0,64}$": "It is not a UID.",
    DIGEST: "It is not a digest: 64 characters of 0 to 9 and a to f.",
    r"^(\d{4}-\d\d-\d\d)?$": "It is not a day; write it as 2026-12-01.",
    rf"^{MONTH}$": "It is not a month; write it as 2026-10.",
    r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$": "It is not a time; write it as 22:00.",
    r"^$|^[^\s@<>,;]+@[^\s@<>,;]+$": "It is not an address of mail, such as anna@hospital.example.",
}
"""What patterns demand, in words; others are shown to programs as they are."""


class Strict(BaseModel):
    """Unknown parameters and keys are errors, so that spelling mistakes are noticed."""

    model_config = ConfigDict(extra="forbid")
