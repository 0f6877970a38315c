"""Strangers and silent peers at the DICOM port: they are closed at once, counted and logged, and keep nobody out."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from miqa_node.core.observe import metrics
from miqa_node.core.settings import DicomSettings
from miqa_node.stages.receive import admission
from miqa_node.stages.receive.admission import Admission
from miqa_node.stages.receive.pending import PendingConnections
from tests.stages.receive.test_scp import associate
from tests.stages.receive.wire import Node
from tests.waiting import wait_until

StartNode = Callable[..., Node]
STRANGERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


@pytest.fixture
def only_127_0_0_1_is_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of 127/8 is this host; here further addresses of it stand for machines of others."""
    monkeypatch.setattr(admission, "is_this_host", lambda peer, _local: peer == "127.0.0.1")


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(port: int, sockets: ExitStack, source: str = "127.0.0.1") -> socket.socket:
    return sockets.enter_context(socket.create_connection(("127.0.0.1", port), 10, (source, 0)))


def is_closed(connection: socket.socket) -> bool:
    """Waits for the end of the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def refused(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("miqa_connections_refused_total", {"reason": reason}) or 0.0


def echo(port: int) -> bool:
    association = associate(port)
    established = association.is_established
    association.release()
    return established


@pytest.mark.usefixtures("only_127_0_0_1_is_this_host")
def test_sockets_of_strangers_are_closed_at_once_counted_and_logged(start_node: StartNode, sockets: ExitStack) -> None:
    node = start_node(acse_timeout_s=60.0)
    before = refused("unlisted")
    with capture_logs() as lines:
        silent = [connect(node.port, sockets, STRANGERS[number % 3]) for number in range(60)]
        assert echo(node.port)
        assert all(is_closed(one) for one in silent)

    assert refused("unlisted") == before + 60
    warnings = [line for line in lines if line["event"] == "connection refused"]
    assert sorted(str(line["peer"]) for line in warnings) == list(STRANGERS)  # one line each, not twenty
    assert all("dicom.allowed_peers" in line["hint"] for line in warnings)


@pytest.mark.usefixtures("only_127_0_0_1_is_this_host")
def test_the_address_of_an_entry_is_enough_to_be_heard(start_node: StartNode, sockets: ExitStack) -> None:
    node = start_node(allowed_peers=["CT1@127.0.0.2"])
    listed, stranger = (connect(node.port, sockets, source) for source in STRANGERS[:2])

    assert is_closed(stranger)
    listed.settimeout(0.3)
    with pytest.raises(TimeoutError):  # whether the title is right is judged when it is known
        listed.recv(1)


def test_who_drips_a_request_is_closed_in_time(start_node: StartNode, sockets: ExitStack) -> None:
    node = start_node(acse_timeout_s=0.5, dimse_timeout_s=30.0)
    before = refused("late")
    dripping = connect(node.port, sockets)
    request = itertools.chain(b"\x01\x00\x00\x00\x01\x00", itertools.repeat(0))
    with pytest.raises(OSError):
        wait_until(lambda: dripping.sendall(bytes([next(request)])), what="it is closed", look_s=0.1)
    assert refused("late") == before + 1


def test_the_log_tells_how_many_were_refused_since(dicom_settings: Callable[..., DicomSettings]) -> None:
    settings = dicom_settings()
    now = [0.0]
    pending = PendingConnections(settings, Admission(settings), lambda: now[0])
    with socket.create_server(("127.0.0.1", 0)) as connection, capture_logs() as lines:
        for at in (0.0, 1.0, 59.0, 61.0):
            now[0] = at
            assert not pending.admit(connection, "192.0.2.9")
    assert [line.get("more_before") for line in lines] == [None, 2]


@pytest.mark.more
@pytest.mark.usefixtures("only_127_0_0_1_is_this_host")
def test_silent_sockets_of_listed_peers_keep_no_modality_out(start_node: StartNode, sockets: ExitStack) -> None:
    node = start_node(acse_timeout_s=60.0, allowed_peers=["*@127.0.0.0/8"])
    silent = [connect(node.port, sockets, STRANGERS[number // 20]) for number in range(60)]

    assert all(echo(node.port) for _ in range(16))
    assert is_closed(silent[0])
