# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Connections that never send a whole request, send it slowly or read nothing: they keep nobody out."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import pytest
import trustme
import uvicorn

from miqa_node.core.observe import metrics
from miqa_node.core.settings import load_settings
from miqa_node.errors import SettingsError
from miqa_node.interfaces.web import server as server_module
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.server import WebServer
from tests.interfaces.web.test_connections import (
    HALF_BODY,
    HALF_HEAD,
    PATIENT_S,
    Serve,
    closed,
    get,
    rest,
    send,
    serve,
    sockets,
)
from tests.waiting import wait_until
from tests.web.staging import Stage


@pytest.mark.parametrize("data", [b"", HALF_HEAD, HALF_BODY], ids=["idle", "half a head", "half a body"])
def test_who_does_not_go_on_is_disconnected(serve: Serve, sockets: ExitStack, data: bytes) -> None:
    server = serve(header_timeout_s=1.0, stall_timeout_s=1.0)

    assert rest(send(server.port, sockets, data)) == b""
    assert get(server.port) == 200


def test_dripping_is_not_going_on(serve: Serve, sockets: ExitStack) -> None:
    server = serve(header_timeout_s=1.0, stall_timeout_s=1.0)
    dripping = [send(server.port, sockets, data) for data in (HALF_HEAD, HALF_BODY)]
    before = closed("slow")

    def are_closed() -> bool:
        for one in dripping:
            with suppress(OSError):  # closed
                one.sendall(b"x")
        return closed("slow") >= before + 2

    wait_until(are_closed, PATIENT_S, look_s=0.1)


def test_who_reads_nothing_is_disconnected(serve: Serve, sockets: ExitStack) -> None:
    server = serve(stall_timeout_s=1.0, header_timeout_s=1.0)
    before = closed("slow")
    greedy = socket.socket()
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sockets.enter_context(greedy).connect(("127.0.0.1", server.port))
    ask = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
    greedy.settimeout(1.0)

    def is_closed() -> bool:
        with suppress(OSError):  # full, or closed
            while closed("slow") == before:
                greedy.sendall(ask)
        return closed("slow") > before

    wait_until(is_closed, PATIENT_S)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("miqa.example", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "node.pem")
    )
    return authority


def test_tls_by_the_node_itself(serve: Serve, authority: trustme.CA, tmp_path: Path, sockets: ExitStack) -> None:
    server = serve(tls_certificate=str(tmp_path / "node.pem"), allowed_hosts=["miqa.example"], header_timeout_s=2.0)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    silent = [send(server.port, sockets, data) for data in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n")]

    with httpx2.Client(verify=context, base_url=f"https://127.0.0.1:{server.port}", trust_env=False) as client:
        answer = client.get("/healthz", headers={"host": "miqa.example"}, timeout=PATIENT_S)
        page = client.get("/api/v1/openapi.json", timeout=PATIENT_S)

    assert (answer.status_code, page.status_code) == (200, 200)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert b"HTTP" not in b"".join(rest(one) for one in silent)  # without TLS they are closed in time

    renewed = authority.issue_cert("127.0.0.1")
    renewed.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "node.pem"))
    pem = ssl.get_server_certificate(("127.0.0.1", server.port), ca_certs=str(tmp_path / "ca.pem"))
    assert pem.split() == renewed.cert_chain_pems[0].bytes().decode().split()
