"""Names a time zone, that of the system too, so that a moment is written in it again where another one is in force."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_LINK = "/etc/localtime"


def zone_name(zone: tzinfo | None) -> str:
    """The key of a zone, or of the system's if None; if nothing names that one, its offset of now in seconds."""
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    named = _system_zone() if zone is None else None
    offset = datetime.now(UTC).astimezone(zone).utcoffset() or timedelta()
    return named or f"{offset.total_seconds():+.0f}"


def zone_named(name: str) -> tzinfo | None:
    """The zone of a name; None, the system's, if it is empty.

    >>> zone_named("+3600"), zone_named("Europe/Berlin")
    (datetime.timezone(datetime.timedelta(seconds=3600)), zoneinfo.ZoneInfo(key='Europe/Berlin'))
    """
    if name[:1] in ("+", "-"):
        return timezone(timedelta(seconds=int(name)))
    return ZoneInfo(name) if name else None


def _system_zone() -> str | None:
    """What ``TZ`` or the link of the system names; None for a rule, or a file that names nothing, as in containers."""
    name = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath(_LINK).partition("zoneinfo/")[2]
    try:
        return ZoneInfo(name).key if name else None
    except (KeyError, OSError, ValueError):  # KeyError: there is no zone of that name
        return None
