"""The way to a bucket, which a test can break: the bucket is away, silent, or fails."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from moto.server import ThreadedMotoServer

from tests.conftest import free_port
from tests.waiting import delay

SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Road:
    """A bucket behind a proxy; ``closed`` holds up what is sent to it, ``failing`` answers with an error of its own."""

    def __init__(self) -> None:
        self._to = free_port()
        self.open()
        self.closed, self.failing = threading.Event(), threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that say how to reach it."""
        variables = {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "REGION": "us-east-1", "ALLOW_HTTP": "true"}
        return {f"AWS_{name}": value for name, value in {**variables, "ENDPOINT": self.url}.items()}

    def open(self) -> None:
        """Start the bucket, perhaps once more."""
        self._bucket = ThreadedMotoServer(ip_address="127.0.0.1", port=self._to, verbose=False)
        self._bucket.start()

    def leave(self) -> None:
        """End the bucket; what it holds stays."""
        self._bucket.stop()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                bucket = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            with bucket:
                back = threading.Thread(target=self._copy, args=(bucket, client), daemon=True)
                back.start()
                self._copy(client, bucket)
                back.join()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                while self.closed.is_set():
                    delay(0.05)
                if self.failing.is_set():
                    source.sendall(SLOW_DOWN)
                    break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all of it."""
        self._server.close()
        self.leave()
