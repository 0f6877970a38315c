"""Connections that never send a whole request, send it slowly or read nothing: they keep nobody out."""

from __future__ import annotations

import socket
import ssl
import threading
import time
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
from tests.waiting import wait_until
from tests.web.staging import Stage

PATIENT_S = 90.0  # a limit for a machine that stalls, no measurement
HALF_HEAD = b"GET / HTTP/1.1\r\nhost: localhost\r\nx-half"
HALF_BODY = (
    b"POST /sign-in HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n"
    b"content-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\nname="
)

Serve = Callable[..., WebServer]


@pytest.fixture
def serve(stage: Stage, tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*, health: bool = False, **web: object) -> WebServer:
            settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0, **web})
            app = create_app(replace(stage.services, settings=settings), pages_and_api=not health)
            server = WebServer(app, settings.web, health=health)
            server.start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def send(port: int, sockets: ExitStack, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    connection = sockets.enter_context(socket.create_connection(("127.0.0.1", port), PATIENT_S, (source, 0)))
    connection.sendall(data)
    return connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the end of the connection."""
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data


def get(port: int, path: str = "/healthz") -> int:
    return httpx2.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENT_S, trust_env=False).status_code


def closed(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("miqa_http_connections_closed_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize("health", [True, False])
def test_an_idle_server_does_next_to_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch, health: bool) -> None:
    ticks: list[float] = []
    on_tick = uvicorn.Server.on_tick

    async def count(self: uvicorn.Server, counter: int) -> bool:
        ticks.append(time.monotonic())
        return await on_tick(self, counter)

    monkeypatch.setattr(uvicorn.Server, "on_tick", count)
    server, begin = serve(health=health), time.monotonic()
    first = date(server.port)
    second = wait_until(lambda: now if (now := date(server.port)) != first else "")
    assert parsedate_to_datetime(second) > parsedate_to_datetime(first)
    watched_s = max(1.0, time.monotonic() - begin)  # more on a slow machine, where nothing ticks more often
    assert len(ticks) <= 5.0 * watched_s, "uvicorn's own loop ticks ten times a second"


def test_a_server_that_stops_waits_for_no_tick(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "TICK_S", 3600.0)
    server = serve()
    get(server.port)
    server.stop()
    assert "web" not in {thread.name for thread in threading.enumerate()}


def date(port: int) -> str:
    return httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=PATIENT_S, trust_env=False).headers["date"]


@pytest.mark.parametrize("data", [b"", HALF_HEAD, HALF_BODY], ids=["idle", "half a head", "half a body"])
def test_any_number_of_unfinished_requests_keeps_nobody_out(serve: Serve, sockets: ExitStack, data: bytes) -> None:
    server = serve(header_timeout_s=300.0, stall_timeout_s=300.0)
    before = closed("crowded")
    held = [send(server.port, sockets, data) for _ in range(210)]

    assert [get(server.port, path) for path in ("/healthz", "/api/v1/worklist")] == [200, 200]
    assert closed("crowded") >= before + 10
    assert len(held) == 210


def test_one_address_cannot_take_the_places_of_others(serve: Serve, sockets: ExitStack) -> None:
    server = serve(trusted_proxies=[], max_connections=6, max_connections_per_address=3, header_timeout_s=300.0)
    held = [send(server.port, sockets, HALF_HEAD, "127.0.0.2") for _ in range(5)]
    others = [send(server.port, sockets, HALF_HEAD, f"127.0.0.{number}") for number in (3, 4, 5)]

    assert [rest(one) for one in held[:2]] == [b"", b""]  # its share is three
    assert get(server.port) == 200
    assert rest(held[2]) == b""  # and it is the first to go when the house is full
    others[0].sendall(b": 1\r\nconnection: close\r\n\r\n")
    assert rest(others[0]).startswith(b"HTTP/1.1 ")


def test_who_is_being_answered_does_not_make_room(serve: Serve, sockets: ExitStack) -> None:
    server = serve(max_connections=1)
    stream = send(server.port, sockets, b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert stream.recv(15) == b"HTTP/1.1 200 OK"

    refused = rest(send(server.port, sockets))

    assert refused.startswith(b"HTTP/1.1 503 ")


def test_health_has_a_port_of_its_own(serve: Serve, sockets: ExitStack) -> None:
    server, health = serve(max_connections=1), serve(health=True)
    stream = send(server.port, sockets, b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert stream.recv(15) == b"HTTP/1.1 200 OK"

    assert [get(health.port, path) for path in ("/healthz", "/readyz", "/metrics", "/")] == [200, 200, 200, 404]


def test_health_is_beside_the_pages_unless_that_port_is_taken(serve: Serve) -> None:
    free = next(port for port in range(20_000, 60_000, 7) if _is_free(port) and _is_free(port + 1))
    beside = serve(health=True, port=free)
    elsewhere = serve(health=True, port=free)

    assert beside.port == free + 1
    assert elsewhere.port not in (free, free + 1)
    with pytest.raises(SettingsError, match=r"web\.health_port"):
        serve(health=True, health_port=beside.port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_a_wrong_certificate_is_said_at_the_start(serve: Serve) -> None:
    with pytest.raises(SettingsError, match=r"web\.tls_certificate"):
        serve(tls_certificate="/none.pem")


def test_without_tls_no_browser_is_told_to_use_it(serve: Serve) -> None:
    answer = httpx2.get(f"http://127.0.0.1:{serve().port}/healthz", trust_env=False)

    assert "strict-transport-security" not in answer.headers


def test_a_proxy_that_is_named_says_who_asks_and_how(serve: Serve) -> None:
    forwarded = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https", "host": "miqa.example"}
    public_url = "https://miqa.example"
    for proxies, url, rows in (
        (["127.0.0.1"], public_url, True),
        (["192.0.2.0/24"], public_url, False),
        (["127.0.0.1"], "", False),  # nobody said that there is a proxy
    ):
        server = serve(trusted_proxies=proxies, public_url=url, allowed_hosts=["miqa.example"])
        answer = httpx2.get(f"http://127.0.0.1:{server.port}/healthz", headers=forwarded, trust_env=False)
        assert ("strict-transport-security" in answer.headers) is rows


@pytest.mark.more
@pytest.mark.parametrize("data", [b"", HALF_HEAD, HALF_BODY], ids=["idle", "half a head", "half a body"])
def test_who_does_not_go_on_is_disconnected(serve: Serve, sockets: ExitStack, data: bytes) -> None:
    server = serve(header_timeout_s=1.0, stall_timeout_s=1.0)

    assert rest(send(server.port, sockets, data)) == b""
    assert get(server.port) == 200


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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
