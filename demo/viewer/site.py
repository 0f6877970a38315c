"""Serves the viewer's files and, at the same address, the archive's DICOMweb: nothing leaves the machine."""

from __future__ import annotations

import http.client
import mimetypes
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_selftest.launch import HOST

SETTINGS = Path(__file__).with_name("app-config.js")
DICOMWEB_PATHS = ("/dicom-web/", "/wado", "/api/dicom-web/")
FORWARD_LIMIT_S = 60.0
MAX_BODY_BYTES = 1_000_000_000
"""Maximum size of a request from the viewer to the archive; it only stores what a person saves."""

# Browsers require these headers for web workers with shared memory, which the viewer uses.
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SCRIPT_SUFFIXES = (".js", ".mjs")
KEPT_S = 3600
"""Time for which browsers cache the viewer's scripts, whose names change with their content."""


@contextmanager
def site(files: Path, archive_port: int, port: int = 0, root: str = "") -> Iterator[str]:
    """Serve until the block ends; yields the viewer's address. ``root`` is the archive's path before ``/dicom-web``."""
    server = ThreadingHTTPServer((HOST, port), partial(_ViewerHandler, files.resolve(), archive_port, root))
    server.daemon_threads = True
    thread = start_brief_thread("viewer", server.serve_forever)
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _ViewerHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, files: Path, archive_port: int, root: str, *connection: Any) -> None:
        self._files, self._archive_port, self._root = files, archive_port, root
        super().__init__(*connection)  # it answers until the connection ends

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: addresses contain UIDs."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith(DICOMWEB_PATHS):
            self._forward()
        elif path == "/app-config.js":
            self._answer(200, SETTINGS.read_bytes(), "text/javascript")
        else:
            self._serve(path)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not self.path.startswith(DICOMWEB_PATHS) or length > MAX_BODY_BYTES:
            self.close_connection = True
            return self._answer(403, b"", "text/plain")
        return self._forward(self.rfile.read(length))

    def _serve(self, path: str) -> None:
        file = (self._files / path.lstrip("/")).resolve()
        if not file.is_file() or not file.is_relative_to(self._files):
            if PurePosixPath(path).suffix:
                return self._answer(404, b"", "text/plain")
            file = self._files / "index.html"  # the viewer's own pages have addresses without files
        guessed = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        kind = "text/javascript" if file.suffix in SCRIPT_SUFFIXES else guessed
        return self._answer(200, file.read_bytes(), kind, 0 if file.suffix == ".html" else KEPT_S)

    def _forward(self, body: bytes | None = None) -> None:
        # Host stays: the archive builds the addresses in its responses from it, so they point here.
        headers = {name: value for name in ("Accept", "Content-Type", "Host") if (value := self.headers.get(name))}
        with closing(http.client.HTTPConnection(HOST, self._archive_port, timeout=FORWARD_LIMIT_S)) as connection:
            path = self.path if self.path.startswith("/api/") else f"{self._root}{self.path}"
            connection.request(self.command, path, body, headers)
            response = connection.getresponse()
            self._answer(response.status, response.read(), response.headers.get("Content-Type") or "text/plain")

    def _answer(self, status: int, body: bytes, kind: str, kept_s: int = 0) -> None:
        self.send_response(status)
        described = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": f"max-age={kept_s}"}
        for name, value in (ISOLATION | described).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
