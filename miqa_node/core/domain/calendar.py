"""The days that people and programs can ask for, on pages, over REST and on the command line.

Python knows the days from 0001-01-01 to 9999-12-31, and a month before the first or a day after the last fails, as does
the change of a moment of either to another time zone. No image is from there, so these days are refused where they come
in, and whatever computes with a day has room.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)
FIRST_MOMENT, LAST_MOMENT = datetime(1900, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
MONTH = r"((?:19|2\d)\d\d)-(0[1-9]|1[0-2])"
"""Pattern of a month of these days, as 2026-10: its year and its number."""
