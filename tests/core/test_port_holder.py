"""Who cannot listen on a port is told which process does."""

from __future__ import annotations

import os
import socket

from miqa_node.core.network.port_holder import holder_of
from tests.conftest import free_port


def test_the_process_that_listens_is_named_and_nobody_else() -> None:
    for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        with socket.socket(family) as listening:
            listening.bind((host, 0))
            port = listening.getsockname()[1]
            assert holder_of(port) == "", "it does not listen yet"
            listening.listen()
            assert holder_of(port).startswith(f" by process {os.getpid()} (")
    assert holder_of(free_port()) == ""
    assert holder_of(0) == ""
