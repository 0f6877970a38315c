"""Tells open pages that something changed (server-sent events, WHATWG HTML 9.2), by asking the database once for all.

Any process may have changed it, so the database is looked at, not a queue in memory. A page that was away is told at
once when it comes back: each stream begins with a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import structlog
from fastapi import HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from miqa_node.errors import MiqaError
from miqa_node.store import overview
from miqa_node.web.access import Display, page_router
from miqa_node.web.services import Services, WebServices

RETRY_MS = 2000
"""How soon a browser comes back after the connection was lost."""

log = structlog.get_logger(__name__)
router = page_router()


class Live:
    """One look at the database per interval, however many pages are open; none while no page is."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._pulse: tuple[object, ...] | None = None
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def messages(self) -> AsyncIterator[str]:
        """``changed`` now and after every change; a comment now and then, by which a lost connection is noticed."""
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
                    await asyncio.wait_for(changed.wait(), self._services.settings.web.live_heartbeat_s)
                except TimeoutError:
                    yield "event: still\ndata: .\n\n"
                    continue
                changed.clear()
                yield "event: changed\ndata: .\n\n"
        finally:
            self._listeners.discard(changed)

    @property
    def streams(self) -> int:
        """How many pages listen."""
        return len(self._listeners)

    def stop(self) -> None:
        """End every stream; from any thread."""
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
            await asyncio.sleep(self._services.settings.web.live_interval_s)

    def _look(self) -> tuple[object, ...]:
        with self._services.database.begin() as transaction:
            return overview.pulse(transaction)


@router.get("/live")
async def live(request: Request, services: Services, _who: Display) -> StreamingResponse:
    """The stream of messages; they say that something changed, never what."""
    told: Live = request.app.state.live
    if told.streams >= services.settings.web.max_live_pages:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE, "More than web.max_live_pages listen for changes. Load the page by hand."
        )
    return StreamingResponse(
        told.messages(),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
