"""Serves the web interface from a thread of the node's process."""

from __future__ import annotations

import socket
import threading

import structlog
import uvicorn
from fastapi import FastAPI

from miqa_node.errors import SettingsError
from miqa_node.settings import WebSettings
from miqa_node.web.live import Live
from miqa_node.web.security import is_loopback

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
"""Open requests get so long to finish when the node stops."""


class WebServer:
    """One listening socket; ``port`` is the real one, also if 0 was requested."""

    def __init__(self, app: FastAPI, settings: WebSettings) -> None:
        self._socket = _listen(settings.host, settings.port)
        self._live: Live = app.state.services.live
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,  # the node's own log takes uvicorn's lines as it takes everybody's
                access_log=False,  # paths hold UIDs, and the metrics count enough
                server_header=False,
                limit_concurrency=settings.max_connections,
                timeout_graceful_shutdown=int(STOP_TIMEOUT_S),
                lifespan="off",
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    def start(self) -> None:
        """Return when requests are answered."""
        self._thread.start()
        waiting = threading.Event()
        for _ in range(int(START_TIMEOUT_S / 0.02)):
            if self._server.started or not self._thread.is_alive():
                break
            waiting.wait(0.02)
        if not self._server.started:
            raise SettingsError("The web interface did not start; the log says why.")
        address = self._socket.getsockname()[0]
        if not is_loopback(address):
            log.warning("other hosts may read pages and pictures", address=address, port=self.port)

    def stop(self) -> None:
        """Finish open requests and close the socket; safe to call twice."""
        self._live.stop()  # open streams would otherwise keep the server waiting
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S + 5.0)
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"The web interface cannot listen on {host}:{port} ({error.strerror}); "
            "choose another web.host or web.port (miqa-node run --web-port)."
        ) from error
    return listening
