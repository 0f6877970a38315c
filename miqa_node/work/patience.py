"""Bounds the pauses after which the queue looks whether a missing database is back.

DBOS Transact doubles them up to a minute and a half, and takes no setting for it: after a long outage the first image
would wait so long. Here the module that sleeps gets a clock whose sleeps are limited. If a later version is built
otherwise, its own pauses hold.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from dbos import _sys_db

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 5.0


class PatientClock:
    """The module ``time``, with a limit on how long one sleeps."""

    def __getattr__(self, name: str) -> Any:
        """Everything else as it is."""
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep, but no longer than the limit."""
        time.sleep(min(seconds, LONGEST_PAUSE_S))


def limit_pauses() -> bool:
    """Limit the pauses of the queue's library from now on; False if that cannot be done."""
    if getattr(_sys_db, "time", None) is not time and not isinstance(getattr(_sys_db, "time", None), PatientClock):
        log.warning("after an outage of the database the queue may wait longer: its library has changed")
        return False
    setattr(_sys_db, "time", PatientClock())  # noqa: B010 - the library does not export it
    return True
