"""A check that may hang, for callers that must not wait: it runs in the background and its answer is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial

from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.errors import MiqaError


class RecentCheck:
    """Runs a check at most once at a time, in a separate thread, and again when its answer is too old.

    A check that does not return within ``limit_s`` has failed, unless ``is_busy``: then it waits behind other work.
    """

    def __init__(
        self,
        name: str,
        check: Callable[[], None],
        *,
        max_age_s: float,
        limit_s: float,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """``check`` raises an error with the reason; ``name`` appears in the message if it does not return."""
        self._name, self._check = name, check
        self._max_age_s, self._limit_s, self._is_busy = max_age_s, limit_s, is_busy
        self._lock = threading.Lock()
        self._answer: Future[str] | None = None
        self._last: str | None = None
        self._begun_s = self._ended_s = 0.0

    @property
    def is_new(self) -> bool:
        """Whether there is no answer yet."""
        return self._last is None

    def begin(self) -> Future[str]:
        """Start the check unless it runs or its answer is recent; the answer is the reason of failure, else empty."""
        with self._lock:
            if self._answer is None or (self._answer.done() and time.monotonic() - self._ended_s > self._max_age_s):
                self._begun_s = time.monotonic()
                self._answer = Future()
                start_brief_thread(f"check {self._name}", partial(self._run, self._answer))
            return self._answer

    def reason(self, wait_s: float) -> str:
        """Why the check failed, else empty; after ``wait_s`` the last answer counts, unless the check hangs."""
        answer = self.begin()
        left_s = self._limit_s - (time.monotonic() - self._begun_s)
        try:
            return answer.result(timeout=max(0.0, min(wait_s, left_s)))
        except FutureTimeoutError:
            if time.monotonic() - self._begun_s > self._limit_s and not self._is_busy():
                return Phrase(
                    "{name} did not answer within {limit_s} s.", name=Phrase(self._name), limit_s=f"{self._limit_s:g}"
                )
            return (
                Phrase("{name} has not been checked yet.", name=Phrase(self._name))
                if self._last is None
                else self._last
            )

    def _run(self, answer: Future[str]) -> None:
        try:
            self._check()
            reason = ""
        except MiqaError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the work would meet it, too
            reason = Phrase("{name} failed: {error}.", name=Phrase(self._name), error=type(error).__name__)
        self._last, self._ended_s = reason, time.monotonic()
        answer.set_result(reason)
