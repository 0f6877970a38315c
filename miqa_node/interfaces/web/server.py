"""Serves the web interface from a thread of the node's process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog
import uvicorn
from fastapi import FastAPI

from miqa_node.core.domain.network import authority
from miqa_node.core.network.port_holder import holder_of
from miqa_node.core.network.server_tls import ServerTls, open_tls
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import WebSettings
from miqa_node.errors import SettingsError
from miqa_node.interfaces.web.connections import HttpConnections
from miqa_node.interfaces.web.security import is_loopback
from miqa_node.interfaces.web.services import WebServices

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 30.0
IDLE_TIMEOUT_S = 5
"""A connection without a request is closed after this time."""
TICK_S = 1.0
"""Interval of the signs of life, and of new Date headers."""
STUCK_AFTER_S = 120.0
"""Maximum time for which answering one request may block the others."""
STOP_TIMEOUT_S = 5.0
"""Time for open requests to finish when the node stops."""


class StoppableServer(uvicorn.Server):
    """Uvicorn's server, ended by a call; its own loop looks ten times a second whether it has to end."""

    def __init__(self, config: uvicorn.Config, beat: Callable[[], None]) -> None:
        """``beat`` is called once a second while requests are answered."""
        super().__init__(config)
        self._beat = beat
        self._ending: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Return when the server has to end."""
        self._ending = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):  # with 0 each tick renews the Date header
            self._beat()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._ending.wait()

    def end(self) -> None:
        """Finish open requests and end; for other threads."""
        self.should_exit = True
        if self._loop is not None and self._ending is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._ending.set)


class WebServer:
    """One listening socket; ``port`` is the real one, also if 0 was requested.

    With ``health`` it is the second server, for monitoring programs: own thread, port and limits, no TLS.
    """

    def __init__(self, app: FastAPI, settings: WebSettings, *, health: bool = False) -> None:
        tls = None if health or not settings.tls_certificate else _tls(settings)
        self._is_open_to_others = not health
        self._socket = _listen_for_health(settings) if health else _listen(settings.host, settings.port, "port")
        self._services: WebServices = app.state.services
        self._address: tuple[str, int] = self._socket.getsockname()[:2]
        self.port: int = self._address[1]
        self._config = uvicorn.Config(
            app,
            http=HttpConnections(settings, tls).protocol(),
            ws="none",
            loop="asyncio",
            log_config=None,  # uvicorn's lines go to the node's own log
            access_log=False,  # paths contain UIDs, and the metrics count requests
            server_header=False,
            forwarded_allow_ips=[str(network) for network in settings.proxies],
            timeout_keep_alive=IDLE_TIMEOUT_S,
            timeout_graceful_shutdown=int(STOP_TIMEOUT_S),
            lifespan="off",
        )
        self._ended = threading.Event()
        self._thread = SteadyThread("health" if health else "web", self._run, STUCK_AFTER_S)
        self.threads = (self._thread,)
        self._server = StoppableServer(self._config, self._thread.beat)

    def start(self) -> None:
        """Return when requests are answered."""
        self._thread.start()
        waiting = threading.Event()
        for _ in range(int(START_TIMEOUT_S / 0.02)):
            if self._server.started or self._ended.is_set():
                break
            waiting.wait(0.02)
        if not self._server.started:
            raise SettingsError("The web interface did not start; the log says why.")
        address = self._socket.getsockname()[0]
        if self._is_open_to_others and not is_loopback(address):
            log.warning("other hosts may read pages and pictures", address=address, port=self.port)

    def stop(self) -> None:
        """Finish open requests and close the socket; safe to call twice."""
        for end in self._services.endings:
            end()
        self._thread.stopping.set()
        self._server.end()
        self._thread.stop(STOP_TIMEOUT_S + 5.0)
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ended.set()

    async def _serve(self) -> None:
        """Serve, again on the same port each time the thread is started."""
        self._server = StoppableServer(self._config, self._thread.beat)
        self._server.should_exit = self._thread.stopping.is_set()
        if self._socket.fileno() < 0:
            self._socket = _bind(self._address)
        await self._server.serve([self._socket])


def _tls(settings: WebSettings) -> ServerTls:
    return open_tls(settings.tls_certificate, settings.tls_key, "", "web.tls_certificate or web.tls_key")


def _listen_for_health(settings: WebSettings) -> socket.socket:
    """The configured port, else the port after the pages', else any free port."""
    if settings.health_port or not settings.port:
        return _listen(settings.host, settings.health_port, "health_port")
    try:
        return _listen(settings.host, settings.port + 1, "health_port")
    except SettingsError:
        listening = _listen(settings.host, 0, "health_port")
        first_choice, port = settings.port + 1, listening.getsockname()[1]
        log.warning(
            "health is on another port; set web.health_port to have it where it is", taken=first_choice, port=port
        )
        return listening


def _listen(host: str, port: int, setting: str) -> socket.socket:
    try:
        return _bind((host, port))
    except OSError as error:
        raise SettingsError(
            f"The web interface cannot listen on {authority(host, port)} ({error.strerror}{holder_of(port)}); "
            f"choose another web.host or web.{setting}{' (miqa-node run --web-port)' if setting == 'port' else ''}."
        ) from error


def _bind(address: tuple[str, int]) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening
