"""An open association to a destination costs nothing while nothing is sent, and wakes at once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made when it is loaded

from miqa_node.core.settings import load_settings
from miqa_node.libraries.pynetdicom_streaming import sleeping
from miqa_node.stages.deliver.association import Link, Peer
from tests.waiting import delay, wait_until

IMPATIENT = {"dimse_timeout_s": 2.0}
TURNS = 12
"""At a look every quarter of a second they take three; pynetdicom alone turns a thousand times a second."""


def opened(port: int, ae_title: str = "NODE") -> Link:
    peer = Peer("PACS", "127.0.0.1", port, ae_title, load_settings().deliver)
    return peer.open([build_context(Verification)])


def test_an_answer_is_not_taken_away_by_a_thread_that_passes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the association's thread must wait for a processor just behind the gate."""
    ae = AE("PACS")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    peer = Peer("PACS", "127.0.0.1", server.server_address[1], "NODE", load_settings(deliver=IMPATIENT).deliver)
    link = peer.open([build_context(Verification)])
    try:
        gate, dimse = link.association._reactor_checkpoint, link.association.dimse
        plain_wait, plain_get = gate.wait, dimse.get_msg

        def wait(timeout: float | None = None) -> bool:
            has_passed = plain_wait(timeout)
            for _ in range(100):
                if not dimse.msg_queue.queue:  # the answer to the next request
                    delay(0.001)
            return has_passed

        def get_msg(block: bool = False) -> Any:
            delay(0.02 * block)  # the sender has to wait, too
            return plain_get(block)

        monkeypatch.setattr(gate, "wait", wait)
        monkeypatch.setattr(dimse, "get_msg", get_msg)
        assert [link.association.send_c_echo().get("Status") for _ in range(5)] == [0x0000] * 5
    finally:
        link.abort()
        server.shutdown()


@pytest.mark.more
def test_an_idle_association_sleeps_and_wakes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ae = AE("PACS")
    ae.add_supported_context(Verification)
    peers: list[evt.Event] = []
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_ESTABLISHED, peers.append)])
    assert server is not None
    link = opened(server.server_address[1])
    try:
        assert link.echo() == 0x0000
        turns = [0, 0]
        dul, gate = link.association.dul, link.association._reactor_checkpoint
        plain_event, plain_wait = dul._is_transport_event, gate.wait

        def event() -> bool:
            turns[0] += 1
            return bool(plain_event())

        def wait(timeout: float | None = None) -> bool:
            turns[1] += 1
            return plain_wait(timeout)

        monkeypatch.setattr(dul, "_is_transport_event", event)
        monkeypatch.setattr(gate, "wait", wait)
        begin = time.monotonic()
        wait_until(lambda: max(turns) >= TURNS)
        assert time.monotonic() - begin > 1.0, "a slow machine turns less often, never more"

        monkeypatch.setattr(sleeping, "LOOK_S", 3600.0)
        monkeypatch.setattr(gate, "look_s", 3600.0)
        assert [link.echo() for _ in range(3)] == [0x0000] * 3, "what is sent and what is answered wakes both threads"

        peers[0].assoc.abort()
        wait_until(lambda: not link.is_open)
    finally:
        link.abort()
        server.shutdown()
