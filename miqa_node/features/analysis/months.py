"""Months as people write them, and their days."""

from __future__ import annotations

import re
from datetime import date

from miqa_node.core.domain.calendar import MONTH
from miqa_node.errors import SettingsError
from miqa_node.features.analysis.rows.census import Period


def month_of(text: str) -> Period:
    """The days of a month.

    >>> month_of("2026-12").until
    datetime.date(2027, 1, 1)
    """
    match = re.fullmatch(MONTH, text)
    if match is None:
        raise SettingsError("{text} is not a month; write it as 2026-10.", text=f"{text!r}")
    year, month = int(match[1]), int(match[2])
    return Period(date(year, month, 1), date(year + month // 12, month % 12 + 1, 1))


def month_before(day: date) -> str:
    """The month that ended before a day.

    >>> month_before(date(2026, 1, 2))
    '2025-12'
    """
    year, month = (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)
    return f"{year:04}-{month:02}"
