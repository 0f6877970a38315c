"""Limits the pauses after which the queue checks whether a missing database is back.

DBOS Transact doubles them up to a minute and a half and has no setting for it: after a long outage the first image
would wait that long. Here the sleeping module gets a clock with limited sleeps. If a later version is built
differently, its own pauses apply.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from dbos import _sys_db

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 5.0


class LimitedSleep:
    """The module ``time`` with a limited ``sleep``, in whose place the library uses it."""

    def __getattr__(self, name: str) -> Any:
        """Everything else is unchanged."""
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep, but no longer than the limit."""
        time.sleep(min(seconds, LONGEST_PAUSE_S))


def limit_pauses() -> bool:
    """Limit the pauses of the queue's library from now on; False if that is not possible."""
    if getattr(_sys_db, "time", None) is not time and not isinstance(getattr(_sys_db, "time", None), LimitedSleep):
        log.warning("after an outage of the database the queue may wait longer: its library has changed")
        return False
    setattr(_sys_db, "time", LimitedSleep())  # noqa: B010 - the library does not export it
    return True
