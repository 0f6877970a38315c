"""An open association to a destination costs nothing while nothing is sent, and wakes at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from pynetdicom import AE, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made when it is loaded

from miqa_node.core.settings import load_settings
from miqa_node.stages.deliver.association import Peer
from tests.waiting import delay, wait_until

IMPATIENT = {"dimse_timeout_s": 2.0}


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
            with suppress(AssertionError):  # until the answer to the next request is there
                wait_until(lambda: dimse.msg_queue.queue, 0.1, look_s=0.001)
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
