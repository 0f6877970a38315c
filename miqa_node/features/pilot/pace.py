"""How fast a pilot asks: within the hours of the site, at its pace, and slower while the archive answers slowly."""

from __future__ import annotations

import re
import time as clocks
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median

from miqa_node.errors import SettingsError

ASK_EVERY = 3
"""Images between two questions after the archive's answer time."""
IDLE_ASKS = 5
LEAST_IDLE_S = 0.02
"""A faster answer is none that anybody waits for: noise of the network is as long."""
SLOWER = 2.0
"""An answer that takes so many times the idle one means that others wait."""
FASTER = 1.25
"""An answer that takes less means that nobody waits any more; between the two the pace stays."""
MOST_FACTOR = 64.0


@dataclass(frozen=True, slots=True)
class Hours:
    """When a pilot may fetch, on the hospital's clock; across midnight if ``until`` is not after ``since``."""

    since: time
    until: time

    @classmethod
    def read(cls, text: str) -> Hours:
        """Of ``22:00-06:00``; SettingsError if it is none.

        >>> Hours.read("22:00-06:00").wait_s(datetime(2026, 10, 1, 20, 30)), Hours.read("08:00-08:00").nightly_s
        (5400.0, 86400.0)
        """
        match = re.fullmatch(r"(\d\d?:\d\d)-(\d\d?:\d\d)", text.strip())
        try:
            since, until = (time.fromisoformat(part.rjust(5, "0")) for part in match.groups())  # type: ignore[union-attr]
        except (ValueError, AttributeError) as error:
            raise SettingsError("{text} are no hours; write 22:00-06:00.", text=f"{text!r}") from error
        return cls(since, until)

    @property
    def nightly_s(self) -> float:
        """How long they are; a whole day if they begin when they end."""
        since, until = (datetime.combine(date(2000, 1, 1), at) for at in (self.since, self.until))
        seconds = (until - since).total_seconds()
        return seconds if seconds > 0 else seconds + 86_400.0

    def wait_s(self, now: datetime) -> float:
        """Seconds until they begin; 0 within them. ``now`` is the hospital's local time, without a zone."""
        start = datetime.combine(now.date(), self.since)
        if start > now:
            start -= timedelta(days=1)
        is_within = (now - start).total_seconds() < self.nightly_s
        return 0.0 if is_within else (start + timedelta(days=1) - now).total_seconds()


class Pace:
    """The pauses between images: ``images_per_s`` at most, and longer by a factor that doubles with slow answers."""

    def __init__(
        self,
        images_per_s: float,
        idle_s: float,
        clock: Callable[[], float] = clocks.monotonic,
        sleep: Callable[[float], None] = clocks.sleep,
    ) -> None:
        self._interval_s, self._idle_s = 1.0 / images_per_s, max(idle_s, LEAST_IDLE_S)
        self._clock, self._sleep = clock, sleep
        self.factor = 1.0
        self.answers_s: list[float] = []
        """The archive's answer times in this run."""
        self._start = float("-inf")
        self._images = 0

    def wait(self, ask: Callable[[], None]) -> None:
        """Wait until the next image may be fetched; before every third the archive's answer time is measured."""
        if self._images % ASK_EVERY == 0:
            self._feed(timed(ask, self._clock))
        self._images += 1
        slowest_s = max(self._interval_s, self._took_s) if self.factor > 1.0 else self._interval_s
        pause_s = self._start + slowest_s * self.factor - self._clock()
        if pause_s > 0:
            self._sleep(pause_s)
        self._start = self._clock()

    @property
    def _took_s(self) -> float:
        """How long the archive takes for an answer now."""
        return self.answers_s[-1] if self.answers_s else 0.0

    def _feed(self, answer_s: float) -> None:
        self.answers_s.append(answer_s)
        if answer_s > SLOWER * self._idle_s:
            self.factor = min(MOST_FACTOR, self.factor * 2.0)
        elif answer_s < FASTER * self._idle_s:
            self.factor = max(1.0, self.factor / 2.0)


def idle_answer_s(ask: Callable[[], None], clock: Callable[[], float] = clocks.monotonic) -> float:
    """The archive's median answer time to a query while nothing is fetched."""
    return median(timed(ask, clock) for _ in range(IDLE_ASKS))


def timed(ask: Callable[[], None], clock: Callable[[], float]) -> float:
    """How long an answer takes."""
    start = clock()
    ask()
    return clock() - start


def nights(images: int, images_per_s: float, hours: Hours | None) -> tuple[float, float]:
    """How long images take, in seconds of fetching, and in nights with these hours."""
    seconds = images / images_per_s
    return seconds, seconds / (hours.nightly_s if hours else 86_400.0)
