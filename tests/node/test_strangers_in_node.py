"""A whole node under strangers: half-sent requests and silent sockets at once, and everybody else is served."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from pynetdicom import AE

from miqa_node.node import Node
from miqa_node.stages.receive.contexts import VERIFICATION
from tests.node.test_node import get, settings_in
from tests.waiting import wait_until

pytestmark = pytest.mark.more

PATIENT_S = 60.0
PROMPT_S = 2.0
PIECES = (
    b"",
    b"GET / HTTP/1.1\r\nhost: localhost\r\nx-half",
    (
        b"POST /sign-in HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n"
        b"content-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\nname="
    ),
)


def test_210_half_sent_requests_and_60_silent_sockets_keep_nobody_waiting(tmp_path: Path) -> None:
    # No limit of time ends any of them during the test: others must get in beside them.
    forever = {"header_timeout_s": 3600.0, "stall_timeout_s": 3600.0}
    dicom = {"acse_timeout_s": 3600.0, "port": 0, "host": "127.0.0.1"}
    settings = settings_in(tmp_path, web={"port": 0, **forever}, dicom=dicom)
    with Node(settings) as node, ExitStack() as held:
        for number in range(210):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", node.web_port), PATIENT_S))
            connection.sendall(PIECES[number % len(PIECES)])
        for _ in range(60):
            held.enter_context(socket.create_connection(("127.0.0.1", node.dicom_port), PATIENT_S))
        # Answered each time; within the two seconds as soon as the machine itself has a quiet moment.
        wait_until(lambda: seconds_of_a_round(node) < PROMPT_S, PATIENT_S, f"a round within {PROMPT_S} s")
        held.pop_all().close()


def seconds_of_a_round(node: Node) -> float:
    """Health, worklist and C-ECHO beside the strangers, one after the other."""
    start = time.monotonic()
    assert get(node.health_port, "/healthz")[0] == 200
    assert get(node.web_port, "/healthz")[0] == 200
    assert get(node.web_port, "/api/v1/worklist")[0] == 200
    ae = AE("CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENT_S
    ae.add_requested_context(VERIFICATION)
    association = ae.associate("127.0.0.1", node.dicom_port)
    assert association.is_established
    assert association.send_c_echo().Status == 0x0000
    association.release()
    return time.monotonic() - start
