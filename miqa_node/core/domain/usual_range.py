"""The usual range of a machine that a person confirmed: what lies beyond it flags an image where the policy says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class UsualRange:
    """From ``low`` to ``high``, of ``series`` images since ``since`` by the machine's clock; all in ``unit``."""

    measurement: str
    unit: str
    low: float
    high: float
    series: int
    since: datetime
