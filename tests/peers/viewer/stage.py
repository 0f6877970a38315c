"""A PACS with DICOMweb and the OHIF viewer in front of it, on free ports of the loopback."""

from __future__ import annotations

import http.client
import json
import mimetypes
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.conftest import free_port

HERE = Path(__file__).parent
ORTHANC = Path("/usr/sbin/Orthanc")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
CHROMIUM = Path("/usr/bin/chromium")
START_S = 30.0
LOOK_S = 400.0

# The viewer computes in web workers with shared memory, for which browsers want these.
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def missing() -> list[str]:
    """What has to be installed before the viewer can be tried."""
    programs = [name for name in ("node", "npm") if shutil.which(name) is None]
    return programs + [str(path) for path in (ORTHANC, DICOMWEB, CHROMIUM) if not path.exists()]


@dataclass(frozen=True)
class Viewer:
    """The viewer and the PACS behind it; ``folder`` holds the programs that setup.sh fetched."""

    address: str
    pacs: str
    folder: Path

    def store(self, *files: Path) -> None:
        """Have nothing but these files in the PACS."""
        for patient in self._call("/patients"):
            self._call(f"/patients/{patient}", method="DELETE")
        for file in files:
            self._call("/instances", file.read_bytes())

    def look(self, study_uid: str, series_number: int, screenshot: Path) -> dict[str, Any]:
        """Open the series in the viewer; what check.cjs prints."""
        result = subprocess.run(
            ["node", HERE / "check.cjs", self.address, study_uid, str(series_number), screenshot],
            env={**os.environ, "NODE_PATH": str(self.folder / "node_modules"), "CHROMIUM": str(CHROMIUM)},
            capture_output=True,
            text=True,
            timeout=LOOK_S,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return dict(json.loads(result.stdout))

    def _call(self, path: str, body: bytes | None = None, method: str | None = None) -> Any:
        request = urllib.request.Request(self.pacs + path, body, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())


@contextmanager
def viewer(folder: Path, data: Path) -> Iterator[Viewer]:
    """Start both; ``folder`` is what setup.sh made, ``data`` an empty one for the PACS."""
    port = free_port()
    process = subprocess.Popen(
        [ORTHANC, _configuration(data, port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder / "node_modules/@ohif/app/dist", port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        _wait_for(f"http://127.0.0.1:{port}/system")
        yield Viewer(f"http://127.0.0.1:{server.server_port}", f"http://127.0.0.1:{port}", folder)
    finally:
        server.shutdown()
        server.server_close()
        process.terminate()
        process.wait(START_S)


def _configuration(data: Path, port: int) -> Path:
    file = data / "orthanc.json"
    settings = {
        "StorageDirectory": str(data / "storage"),
        "IndexDirectory": str(data / "storage"),
        "HttpPort": port,
        "HttpBindAddresses": ["127.0.0.1"],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "Plugins": [str(DICOMWEB)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    file.write_text(json.dumps(settings))
    return file


def _wait_for(url: str) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"nothing answers at {url}")


def _handler(dist: Path, pacs_port: int) -> type[BaseHTTPRequestHandler]:
    """Serves the viewer's files, its settings, and the PACS under the same origin."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith(("/dicom-web/", "/wado")):
                self.forward()
            elif path == "/app-config.js":
                self.answer(200, (HERE / "app-config.js").read_bytes(), "text/javascript")
            else:
                self.serve((dist / path.lstrip("/")).resolve())

        def do_POST(self) -> None:
            self.forward()

        def serve(self, file: Path) -> None:
            if not file.is_file() or not file.is_relative_to(dist.resolve()):
                if file.suffix:
                    return self.answer(404, b"", "text/plain")
                file = dist / "index.html"  # the viewer's own pages have addresses without a file
            kind = "text/javascript" if file.suffix in (".js", ".mjs") else mimetypes.guess_type(file.name)[0]
            return self.answer(200, file.read_bytes(), kind or "application/octet-stream")

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            passed = {k: v for k, v in self.headers.items() if k.lower() in ("accept", "content-type", "host")}
            connection = http.client.HTTPConnection("127.0.0.1", pacs_port, timeout=60)
            try:
                connection.request(self.command, self.path, self.rfile.read(length) or None, passed)
                response = connection.getresponse()
                self.answer(response.status, response.read(), response.headers.get("Content-Type", "text/plain"))
            finally:
                connection.close()

        def answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            for name, value in {**ISOLATION, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
