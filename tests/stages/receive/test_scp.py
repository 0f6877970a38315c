from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import build_context
from pynetdicom.association import Association

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID
from miqa_node.core.domain.instance import MoveOrigin, ReceivedObject
from miqa_node.core.observe import metrics
from miqa_node.errors import DataSetError, MismatchError, ResourcesError
from miqa_node.stages.deliver.association import ClosingAE
from miqa_node.stages.receive import associations
from miqa_node.stages.receive.incoming import remove_leftovers
from tests.stages.receive.wire import Node, RawPeer, encoded, p_data, pdv, send_raw, small_image
from tests.waiting import LIMIT_S, delay, wait_until

StartNode = Callable[..., Node]

# A connection that ends in the middle of a PDU may reach pynetdicom's state machine as an event that it has no
# transition for; its thread ends with this error, after the association did.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*InvalidEventError:pytest.PytestUnhandledThreadExceptionWarning")


def associate(port: int, calling: str = "TEST", called: str = "MIQA", **contexts: Any) -> Association:
    return ClosingAE(calling).associate("127.0.0.1", port, [build_context(CTImageStorage)], called)


def test_stores_the_bytes_as_they_came(start_node: StartNode) -> None:
    node = start_node()
    ds = small_image()
    data = encoded(ds)

    response = send_raw(node.port, data, sop_instance=ds.SOPInstanceUID, calling="CT1", called="NODE")

    assert response is not None
    assert response.Status == 0x0000
    (received,) = node.received
    assert received.digest == hashlib.sha256(data).hexdigest()
    assert received.size_bytes == len(data)
    assert (received.calling_ae_title, received.called_ae_title) == ("CT1", "NODE")
    assert received.peer_address == "127.0.0.1"
    assert received.received_at.tzinfo is not None
    assert node.files[0].endswith(data)


def test_writes_a_file_that_others_can_read(start_node: StartNode, tmp_path: Path) -> None:
    node = start_node()
    ds = small_image()
    send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID, calling="CT1")

    path = tmp_path / "read.dcm"
    path.write_bytes(node.files[0])
    meta = dcmread(path).file_meta
    assert meta.MediaStorageSOPClassUID == CTImageStorage
    assert meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.SourceApplicationEntityTitle == "CT1"
    # The group length counts the bytes that follow it up to the data set.
    assert len(node.files[0]) == 128 + 4 + 12 + meta.FileMetaInformationGroupLength + node.received[0].size_bytes


def test_answers_only_after_receive_has_returned(start_node: StartNode) -> None:
    entered, may_return = threading.Event(), threading.Event()

    def receive(received: ReceivedObject) -> None:
        entered.set()
        assert may_return.wait(LIMIT_S)

    node = start_node(receive)
    ds = small_image()
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(send_raw, node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
        assert entered.wait(LIMIT_S)
        assert not response.done()
        may_return.set()
        assert getattr(response.result(LIMIT_S), "Status", None) == 0x0000


def test_what_receive_does_not_take_away_is_removed(start_node: StartNode) -> None:
    node = start_node()
    ds = small_image()
    send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
    assert node.leftovers() == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ResourcesError("database is down"), 0xA700),
        (OSError(28, "No space left on device"), 0xA700),
        (MismatchError("differs"), 0xA900),
        (DataSetError("garbage"), 0xC000),
        (RuntimeError("Doe^John"), 0xC000),
    ],
)
def test_errors_of_receive_become_statuses(
    start_node: StartNode, capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    def receive(received: ReceivedObject) -> None:
        raise error

    node = start_node(receive)
    before = metrics.CSTORE_RECEIVED.labels(f"{status:04X}")._value.get()
    ds = small_image()
    response = send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)

    assert response is not None
    assert response.Status == status
    assert node.leftovers() == []
    assert metrics.CSTORE_RECEIVED.labels(f"{status:04X}")._value.get() == before + 1
    assert "Doe" not in str(response.ErrorComment) + "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("data_set", "status"),
    [
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", 0xC000),
        (os.urandom(4000), 0xC000),
        (b"\x08\x00\x16\x00UI", 0xC000),
        (b"\0" * 300, 0xC000),
    ],
    ids=["html", "noise", "truncated header", "zeros"],
)
def test_what_is_no_data_set_cannot_be_understood(start_node: StartNode, data_set: bytes, status: int) -> None:
    node = start_node()
    response = send_raw(node.port, data_set)
    assert response is not None
    assert response.Status == status
    assert node.received == []
    assert node.leftovers() == []


def test_request_and_data_set_must_agree(start_node: StartNode) -> None:
    node = start_node()
    ds = small_image()
    other_instance = send_raw(node.port, encoded(ds), sop_instance="1.2.3.4.5")
    other_class = send_raw(node.port, encoded(ds), sop_class=MRImageStorage, sop_instance=ds.SOPInstanceUID)
    assert other_instance is not None
    assert other_class is not None
    assert (other_instance.Status, other_class.Status) == (0xA900, 0xA900)
    assert "SOP Instance UID" in str(other_instance.ErrorComment)
    assert node.received == []


def test_a_uid_that_is_none_cannot_be_understood(start_node: StartNode) -> None:
    node = start_node()
    ds = small_image()
    data = encoded(ds).replace(ds.SOPInstanceUID.encode()[:12], b"../../../etc")
    response = send_raw(node.port, data, sop_instance=ds.SOPInstanceUID)
    assert response is not None
    assert response.Status == 0xC000
    assert node.received == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uid_of_the_request_that_is_none_stores_nothing(start_node: StartNode) -> None:
    node = start_node()
    with RawPeer(node.port) as peer:
        command = RawPeer.command(CTImageStorage, "1.2.3").replace(b"1.2.3\0", b"../../")
        peer.socket.sendall(p_data(pdv(3, command)) + p_data(pdv(2, encoded(small_image()))))
        assert peer.read_status() == 0xC000
    assert node.received == []
    assert node.leftovers() == []


def test_duplicates_are_handed_on(start_node: StartNode) -> None:
    node = start_node()
    ds = small_image()
    for _ in range(2):
        send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
    assert len(node.received) == 2
    assert node.received[0].digest == node.received[1].digest
    assert node.received[0].path != node.received[1].path


def test_no_room_refuses_and_recovers(start_node: StartNode) -> None:
    full = True

    def check() -> None:
        if full:
            raise ResourcesError("Only 3 MiB are free")

    node = start_node(check=check)
    ds = small_image()
    refused = send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
    assert refused is not None
    assert refused.Status == 0xA700
    assert "3 MiB" in str(refused.ErrorComment)
    full = False

    def is_accepted() -> bool:
        answer = send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
        return answer is not None and answer.Status == 0x0000

    wait_until(is_accepted, what="the answer of the check is remembered for a second")


def test_too_large_objects_are_refused(start_node: StartNode) -> None:
    node = start_node(max_object_bytes=10_000)
    small, large = small_image(size=2000), small_image(size=200_000)
    for ds, status in ((small, 0x0000), (large, 0xA700), (small, 0x0000)):
        response = send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
        assert response is not None
        assert response.Status == status
    assert node.leftovers() == []


def test_an_abort_in_the_middle_of_an_object_leaves_nothing(start_node: StartNode) -> None:
    node = start_node()
    with RawPeer(node.port) as peer:
        command = RawPeer.command(CTImageStorage, "1.2.3")
        peer.socket.sendall(p_data(pdv(3, command)) + p_data(pdv(0, encoded(small_image()))))
        if node.scp._fast:  # pynetdicom by itself keeps it in memory
            wait_until(lambda: any(node.folder.iterdir()))
    wait_until(lambda: node.leftovers() == [])
    assert node.received == []


def test_a_peer_that_falls_silent_inside_an_object_is_dropped(start_node: StartNode) -> None:
    node = start_node(dimse_timeout_s=0.5, network_timeout_s=2.0)
    with RawPeer(node.port) as peer:
        command = RawPeer.command(CTImageStorage, "1.2.3")
        whole = p_data(pdv(2, encoded(small_image())))
        peer.socket.sendall(p_data(pdv(3, command)) + whole[: len(whole) // 2])
        with pytest.raises((EOFError, ConnectionError, AssertionError)):  # no TimeoutError of the peer itself
            peer.read_status()
    wait_until(lambda: node.leftovers() == [])


def test_a_silent_socket_is_closed_after_the_acse_timeout(start_node: StartNode) -> None:
    node = start_node(acse_timeout_s=0.5)
    with socket.create_connection(("127.0.0.1", node.port), timeout=LIMIT_S) as connection:
        assert connection.recv(1) == b""


def test_an_idle_association_is_aborted_after_the_network_timeout(start_node: StartNode) -> None:
    node = start_node(network_timeout_s=0.5)
    with RawPeer(node.port) as peer:
        assert peer.read_pdu()[0] == 7


def test_association_limits(start_node: StartNode) -> None:
    node = start_node(max_associations=5, max_associations_per_peer=2)
    first, second = associate(node.port), associate(node.port)
    third = associate(node.port)
    assert first.is_established
    assert second.is_established
    assert third.is_rejected
    answer = third.acceptor.primitive
    assert answer is not None
    assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
    first.release()
    wait_until(lambda: (metrics.REGISTRY.get_sample_value("miqa_associations_open") or 0) <= 1)
    fourth = associate(node.port)
    assert fourth.is_established
    for association in (second, fourth):
        association.release()


def test_called_ae_title_can_be_required(start_node: StartNode) -> None:
    node = start_node(require_called_ae_title=True, ae_title="NODE")
    wrong, right = associate(node.port, called="OTHER"), associate(node.port, called="NODE")
    assert wrong.is_rejected
    answer = wrong.acceptor.primitive
    assert answer is not None
    assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 7)
    assert right.is_established
    right.release()


def test_whatever_fails_in_admission_rejects(start_node: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    node = start_node()
    monkeypatch.setattr(node.scp._admission, "judge", lambda caller: 1 / 0)
    association = associate(node.port)
    assert association.is_rejected


def test_echo(start_node: StartNode) -> None:
    node = start_node()
    association = ClosingAE("TEST").associate("127.0.0.1", node.port, [build_context("1.2.840.10008.1.1")])
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_stop_lets_a_running_store_finish(start_node: StartNode) -> None:
    entered, may_return = threading.Event(), threading.Event()

    def receive(received: ReceivedObject) -> None:
        entered.set()
        assert may_return.wait(LIMIT_S)

    node = start_node(receive)
    ds, port = small_image(), node.port

    def is_closed() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False

    with ThreadPoolExecutor(2) as pool:
        response = pool.submit(send_raw, port, encoded(ds), sop_instance=ds.SOPInstanceUID)
        assert entered.wait(LIMIT_S)
        stopping = pool.submit(node.scp.stop)
        wait_until(is_closed)
        may_return.set()
        assert getattr(response.result(LIMIT_S), "Status", None) == 0x0000
        stopping.result(LIMIT_S)


def test_stop_does_not_wait_for_a_sender_that_goes_on_and_on(start_node: StartNode) -> None:
    node = start_node(lambda received: delay(0.02))
    statuses: list[int] = []

    def sender() -> None:
        association = associate(node.port)
        association.dimse_timeout = 2
        with suppress(RuntimeError):  # the association ended between two objects
            while "Status" in (status := association.send_c_store(small_image())):
                statuses.append(status.Status)

    threads = [threading.Thread(target=sender) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(statuses) >= 10)
    node.scp.stop()  # or it would never return
    for thread in threads:
        thread.join(LIMIT_S)
    # The sender's toolkit may lose an answer, but it cannot invent one.
    assert 10 <= statuses.count(0x0000) <= len(node.received)
    assert node.leftovers() == []


def test_stop_waits_for_no_poll(start_node: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(associations, "POLL_S", 3600.0)
    node = start_node()
    node.scp.stop()  # long before the next poll


def test_stop_ends_idle_associations_at_once(start_node: StartNode) -> None:
    node = start_node(network_timeout_s=3600.0)
    with RawPeer(node.port) as peer:
        node.scp.stop()
        if node.scp._fast:  # pynetdicom by itself may close the connection before its A-ABORT is out
            assert peer.read_pdu()[0] == 7


def test_leftovers_of_killed_processes_are_removed_and_others_kept(tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "dead.part").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"x")
    with (tmp_path / "alive.part").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        assert remove_leftovers(tmp_path) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["alive.part", "other"]


def test_an_object_says_which_move_it_comes_by_and_whoever_waits_for_it_takes_it(start_node: StartNode) -> None:
    node = start_node()
    ae = ClosingAE("PACS")
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", node.port)
    for origin in ({"originator_aet": "MIQA", "originator_id": 4711}, {}, {"originator_aet": "MIQA"}):
        assert association.send_c_store(small_image(), **origin).Status == 0
    assert [one.move for one in node.received] == [MoveOrigin("MIQA", 4711), None, None]
    node.scp._intake.diverts = lambda received: received.move == MoveOrigin("MIQA", 4712)
    for number in (4712, 4713):
        assert association.send_c_store(small_image(), originator_aet="MIQA", originator_id=number).Status == 0
    association.release()
    assert [one.move for one in node.received[3:]] == [MoveOrigin("MIQA", 4713)]
    assert node.leftovers() == []


def test_what_a_sender_sent_before_it_left_still_says_whose_it_is(start_node: StartNode) -> None:
    scp = start_node().scp
    with RawPeer(scp.port):
        (association,) = scp._servers["plain"].active_associations
    association.join(5.0)
    association.dul.socket = None  # as pynetdicom leaves it, sooner or later
    request = associations.store_request(association, CTImageStorage, "1.2.3", ExplicitVRLittleEndian)
    assert (request.calling_ae_title, request.peer_address) == ("RAW", "127.0.0.1")


@pytest.mark.more
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


@pytest.mark.more
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
