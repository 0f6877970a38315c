"""The clock of the hospital: which moments its times mean, also in the hour that the end of summer time repeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

TOLERANCE = timedelta(minutes=5)
"""By how much a scanner's clock may be ahead in :func:`likely_moments`."""
USUAL_WAY = timedelta(hours=1)
"""Images usually arrive within this time."""


def local_time(moment: datetime, zone: ZoneInfo | None) -> datetime:
    """What the hospital's clock shows at a moment, without a zone; ``zone`` None is the system's."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def moments(at: datetime, zone: ZoneInfo | None) -> tuple[datetime, ...]:
    """When the hospital's clock shows ``at``: one moment in UTC, or two in the repeated hour, the earlier one first.

    >>> [f"{moment:%H:%M}" for moment in moments(datetime(2026, 10, 25, 2, 30), ZoneInfo("Europe/Berlin"))]
    ['00:30', '01:30']
    """
    first, second = (_moment(at.replace(fold=fold), zone) for fold in (0, 1))
    return (first, second) if second > first else (first,)  # in the hour that is left out, the second is earlier


def likely_moments(at: datetime, zone: ZoneInfo | None, arrived_at: datetime) -> tuple[datetime, ...]:
    """The same for an image, without what its arrival excludes: none arrives before it is made, and most soon after."""
    both = moments(at, zone)
    if len(both) == 1:
        return both
    first, second = both
    if second > arrived_at + TOLERANCE:
        return (first,)
    return (second,) if arrived_at - second < USUAL_WAY else both


def _moment(at: datetime, zone: ZoneInfo | None) -> datetime:
    return (at.astimezone() if zone is None else at.replace(tzinfo=zone)).astimezone(UTC)
