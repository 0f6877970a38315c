"""Notifies open pages of changes (server-sent events, WHATWG HTML 9.2) with one database query for all.

Any process may make a change, so it queries the database, not a queue in memory. Each stream begins with a message, so
a page that reconnects is up to date at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from starlette.concurrency import run_in_threadpool

from miqa_node.errors import MiqaError
from miqa_node.features.worklist.rows import overview
from miqa_node.interfaces.web.services import LIVE_HEARTBEAT_S, WebServices
from miqa_node.runtime.store.database import Database

INTERVAL_S = 1.0
RETRY_MS = 2000
"""Time after which a browser reconnects."""

log = structlog.get_logger(__name__)


def live_of(services: WebServices) -> LiveUpdates:
    """The updates of an application, which end with its server: it would wait for open streams."""
    live = LiveUpdates(services.database)
    services.endings.append(live.stop)
    return live


class LiveUpdates:
    """Queries the database once per interval for all open pages, and not at all while none is open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._pulse: tuple[object, ...] | None = None
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def messages(self) -> AsyncIterator[str]:
        """``changed`` now and after every change; ``still`` periodically, to detect a lost connection."""
        self._loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        changed.set()
        self._listeners.add(changed)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield f"retry: {RETRY_MS}\n\n"
            while not self._stopping:
                try:
                    await asyncio.wait_for(changed.wait(), LIVE_HEARTBEAT_S)
                except TimeoutError:
                    yield "event: still\ndata: .\n\n"
                    continue
                changed.clear()
                yield "event: changed\ndata: .\n\n"
        finally:
            self._listeners.discard(changed)

    @property
    def streams(self) -> int:
        """The number of open streams."""
        return len(self._listeners)

    def stop(self) -> None:
        """End every stream; callable from any thread."""
        self._stopping = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for listener in tuple(self._listeners):
            listener.set()

    async def _watch(self) -> None:
        while self._listeners and not self._stopping:
            try:
                pulse = await run_in_threadpool(self._look)
            except MiqaError as error:
                log.warning("changes cannot be seen", error=error)
            else:
                if pulse != self._pulse:
                    self._pulse = pulse
                    self._wake()
            await asyncio.sleep(INTERVAL_S)

    def _look(self) -> tuple[object, ...]:
        with self._database.begin() as transaction:
            return overview.pulse(transaction)
