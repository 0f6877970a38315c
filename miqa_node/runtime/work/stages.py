"""Runs the stage of a job: patiently while the node lacks resources, again after errors, and never without a trace.

A job is one durable unit: if its process dies, its stage runs again. A stage that is done notices it by what it wrote,
so the queue need not record it as a step, which would take half of its transactions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.observe.log import describe_error
from miqa_node.errors import lacks_resources, place_of
from miqa_node.runtime.work.waiting import WaitingStages

log = structlog.get_logger(__name__)

Stage = Callable[[InstanceDigest], None]

RETRY_INTERVAL_S = 0.5
RETRY_BACKOFF = 2.0
MAX_PAUSE_S = 5.0
"""Longest pause of a stage that waits for disk, database or object store."""
HOLD_S = 5.0
"""Pause before another attempt of work that is not given up because the node is at fault."""


class StoppedError(BaseException):
    """The process ends while a stage waits. Not an Exception, so the queue records nothing and the job runs later."""


class JobStage:
    """The stage of every job, run at least once.

    It waits while disk, database or object store are unavailable. After other errors it gets ``attempts`` in all; then
    ``give_up`` is called instead. Errors are logged by type only: messages might quote a data set.
    """

    def __init__(
        self,
        stage: Stage,
        attempts: int,
        give_up: Stage | None,
        stopping: threading.Event,
        waiting: WaitingStages | None = None,
    ) -> None:
        self._stage = stage
        self._attempts = attempts
        self._give_up = give_up
        self._stopping = stopping
        self._waiting = waiting or WaitingStages()

    def run(self, digest: InstanceDigest) -> None:
        """Run it. Its last error is raised if there is no ``give_up``."""
        try:
            self._persist(digest)
        finally:
            self._waiting.forget(digest)

    def _persist(self, digest: InstanceDigest) -> None:
        """Attempt the stage until it succeeds or is given up."""
        pause_s = RETRY_INTERVAL_S
        for chances in reversed(range(self._attempts)):  # after this one
            try:
                self._wait_for_resources(digest)
            except Exception as error:
                if self._stopping.is_set():  # a part that the stage needs may have stopped first: it did not fail
                    raise StoppedError from error
                text = "a stage failed, it will be tried again" if chances else "a stage failed, it is given up"
                log.error(text, digest=digest[:16], error=type(error).__name__, where=place_of(error))
                if not chances and self._give_up is None:
                    raise
            else:
                return
            if chances:
                self._pause(pause_s)
                pause_s *= RETRY_BACKOFF
        self._end(digest)

    def _end(self, digest: InstanceDigest) -> None:
        """Give the work up, unless the node is at fault: then wait, and try the stage once more."""
        while self._give_up is not None:
            try:
                self._give_up(digest)
            except Exception as error:
                if not lacks_resources(error):
                    raise
                log.warning("an image waits for the node", digest=digest[:16])
                self._waiting.note(digest, error)
            else:
                return
            self._pause(HOLD_S)
            try:
                self._wait_for_resources(digest)
            except Exception as error:  # noqa: BLE001 - it is given up, or waits on
                facts = {"error": type(error).__name__, "where": place_of(error)}
                log.error("a stage failed once more", digest=digest[:16], **facts)
            else:
                return

    def _wait_for_resources(self, digest: InstanceDigest) -> None:
        """Attempt the stage; what the node lacks is waited for."""
        pause_s = RETRY_INTERVAL_S
        while True:
            try:
                self._stage(digest)
            except Exception as error:
                if not lacks_resources(error):
                    raise
                text = "a stage waits for disk, database or object store"
                log.warning(text, digest=digest[:16], reason=describe_error(error))
                self._waiting.note(digest, error)
            else:
                return
            self._pause(pause_s)
            pause_s = min(RETRY_BACKOFF * pause_s, MAX_PAUSE_S)

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise StoppedError
