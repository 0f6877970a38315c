""""""

from __future__ import annotations

import socket

import pytest
from pynetdicom.association import Association

from tests.stages.receive.test_scp import StartNode
from tests.stages.receive.wire import encoded, send_raw, small_image
from tests.waiting import wait_until

# A connection that ends in the middle of a PDU may reach pynetdicom's state machine as an event that it has no
# transition for; its thread ends with this error, after the association did.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*InvalidEventError:pytest.PytestUnhandledThreadExceptionWarning")


def test_connections_that_ask_for_nothing_leave_no_associations_behind(start_node: StartNode) -> None:
    import gc

    def count() -> int:
        gc.collect()
        # Not isinstance: it asks each object for its class, and some objects of torch warn when they are asked.
        return sum(issubclass(type(thing), Association) for thing in gc.get_objects())

    node = start_node()
    before = count()
    for _ in range(40):
        socket.create_connection(("127.0.0.1", node.port)).close()
    wait_until(lambda: count() <= before + 20)


def test_a_port_is_shared_only_if_all_of_its_processes_say_so(start_node: StartNode) -> None:
    first = start_node(shared_port=True)
    second = start_node(shared_port=True, port=first.port)
    for _ in range(40):
        ds = small_image()
        response = send_raw(first.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
        assert response is not None
        assert response.Status == 0x0000
    assert first.received
    assert second.received
    assert len(first.received) + len(second.received) == 40
    with pytest.raises(OSError, match="in use"):
        start_node(port=first.port)
    with pytest.raises(OSError, match="in use"):
        start_node(shared_port=True, port=start_node().port)
