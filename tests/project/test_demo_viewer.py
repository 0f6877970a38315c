"""What ``make viewer`` is made of, short of Orthanc and npm themselves: the site, the package, and what is missing."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from demo.viewer import archive as archives
from demo.viewer import package
from demo.viewer.archive import archive
from demo.viewer.package import viewer_files
from demo.viewer.site import site
from miqa_node.errors import MiqaError, SettingsError
from tests.waiting import LIMIT_S


class Echo(BaseHTTPRequestHandler):
    """In the archive's place: says what it was asked."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = {"asked": f"{self.command} {self.path}", "body": self.rfile.read(length).decode()}
        body = json.dumps({**request, "host": self.headers["Host"], "cookie": self.headers.get("Cookie")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    files = tmp_path / "ohif-3.12.10"
    files.mkdir()
    (files / "index.html").write_text("<title>viewer</title>")
    (files / "app.js").write_text("let a;")
    (tmp_path / "secret.js").write_text("no")
    server = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with site(files, server.server_port) as address:
        yield int(address.rpartition(":")[2])
    server.shutdown()
    server.server_close()
    thread.join()


def ask(port: int, path: str, method: str = "GET", body: str = "") -> tuple[http.client.HTTPResponse, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)) as connection:
        connection.request(method, path, body.encode(), {"Cookie": "session=1"})
        response = connection.getresponse()
        return response, response.read().decode()


def test_the_site_serves_the_viewer_and_nothing_beside_it(port: int) -> None:
    for page in ("/", "/viewer?StudyInstanceUIDs=1.2.3"):
        response, text = ask(port, page)
        assert (response.status, text) == (200, "<title>viewer</title>")
        assert response.headers["Content-Type"] == "text/html"
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    response, text = ask(port, "/app.js")
    assert (text, response.headers["Content-Type"]) == ("let a;", "text/javascript")
    assert "/dicom-web" in ask(port, "/app-config.js")[1]
    for path in ("/../secret.js", "/%2e%2e/secret.js", "//etc/passwd.js", "/none.js"):
        assert ask(port, path)[0].status == 404


def test_the_archive_answers_under_the_same_address(port: int) -> None:
    response, text = ask(port, "/dicom-web/studies?limit=1")
    assert response.headers["Content-Type"] == "application/dicom+json"
    answer = json.loads(text)
    assert answer["asked"] == "GET /dicom-web/studies?limit=1"
    assert (answer["host"], answer["cookie"]) == (f"127.0.0.1:{port}", None)
    answer = json.loads(ask(port, "/dicom-web/studies", "POST", "an object")[1])
    assert (answer["asked"], answer["body"]) == ("POST /dicom-web/studies", "an object")
    assert ask(port, "/instances", "POST", "an object")[0].status == 403


def test_a_package_that_was_not_pinned_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho altered > ohif-app.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    with pytest.raises(MiqaError, match="not the package that was pinned"):
        viewer_files(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    npm.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    with pytest.raises(MiqaError, match="npm cannot fetch @ohif/app: no network"):
        viewer_files(tmp_path / "cache")


def test_what_is_missing_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="apt-get install npm"):
        viewer_files(tmp_path / "cache")
    monkeypatch.setattr(archives, "ORTHANC", tmp_path / "Orthanc")
    with (
        pytest.raises(SettingsError, match=r"Orthanc.*apt-get install orthanc orthanc-dicomweb"),
        archive(tmp_path, 1),
    ):
        pass


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "miqa-viewer" / f"ohif-{package.VERSION}"
    record.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert viewer_files() == record
