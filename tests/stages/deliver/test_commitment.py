"""Storage commitment as the node asks for it: reports on the same association and over the node's own port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from miqa_node.core.domain.delivery import CommitmentReport, DeliveryState
from miqa_node.core.settings import DeliverSettings
from miqa_node.stages.deliver import lane
from miqa_node.stages.deliver.commitment import read_report
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.lanes import Lanes
from miqa_node.stages.receive.contexts import COMMITMENT_PUSH_MODEL
from tests.stages.deliver.making import MemoryOutbox, pacs
from tests.waiting import delay, stays, wait_until

Make = Callable[..., DeliverSettings]


class Archive:
    """A storage SCP that commits: on the association that it was asked on."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.asked: list[Dataset] = []
        self.answers: list[int] = []
        self.lacks: set[str] = set()
        self.status = 0x0000
        self.reports = True
        self.port = 0

    def store(self, event: evt.Event) -> int:
        self.stored.append(str(cast("C_STORE", event.request).AffectedSOPInstanceUID))
        return 0x0000

    def action(self, event: evt.Event) -> tuple[int, None]:
        self.asked.append(event.action_information)
        if self.status == 0x0000 and self.reports:
            threading.Thread(target=self._report, args=(event.assoc, event.action_information), daemon=True).start()
        return self.status, None

    def _report(self, association: Association, request: Dataset) -> None:
        delay(0.05)  # the answer goes before it
        event_type, report = self.report(request)
        status, _ = association.send_n_event_report(report, event_type, COMMITMENT_PUSH_MODEL, "1.2.840.10008.1.20.1.1")
        self.answers.append(status.get("Status"))

    def report(self, request: Dataset) -> tuple[int, Dataset]:
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        report.ReferencedSOPSequence = [
            item for item in request.ReferencedSOPSequence if item.ReferencedSOPInstanceUID not in self.lacks
        ]
        failed = [item for item in request.ReferencedSOPSequence if item.ReferencedSOPInstanceUID in self.lacks]
        for item in failed:
            item.FailureReason = 0x0112
        if failed:
            report.FailedSOPSequence = failed
        return (2 if failed else 1), report


@pytest.fixture(autouse=True)
def no_release_without_end() -> Iterator[None]:
    """An association that ended while it was being released left a thread that looked for its end ever after."""
    yield
    assert wait_until(lambda: all(thread.name != "release" for thread in threading.enumerate()))


@contextmanager
def archive() -> Iterator[Archive]:
    peer = Archive()
    ae = AE("PACS")
    ae.add_supported_context(BasicTextSRStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    ae.add_supported_context(COMMITMENT_PUSH_MODEL)
    server = ae.make_server(
        ("127.0.0.1", 0),
        evt_handlers=[(evt.EVT_C_STORE, peer.store), (evt.EVT_N_ACTION, peer.action)],
        server_class=ThreadedAssociationServer,
    )
    ae._servers.append(server)
    peer.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield peer
    finally:
        server.shutdown()
        for association in ae.active_associations:
            association.abort()


@contextmanager
def running(tmp_path: Path, outbox: MemoryOutbox, settings: DeliverSettings, port: int) -> Iterator[Lanes]:
    config = CStoreConfig(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, commitment=True)
    lanes = Lanes(outbox, Destinations(tmp_path / "none.toml", [config]), settings)
    lanes.start()
    try:
        yield lanes
    finally:
        lanes.stop(3.0)


def test_without_a_report_it_is_asked_again_in_another_transaction(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with archive() as peer:
        peer.reports = False
        outbox.put("pacs")
        with running(tmp_path, outbox, deliver_settings(commitment_timeout_s=0.2), peer.port):
            assert wait_until(lambda: len(peer.asked) >= 3)
    assert len({one.TransactionUID for one in peer.asked}) == len(peer.asked)


@pytest.mark.parametrize("status", [0x0122, 0x0211])
def test_an_archive_that_knows_none_leaves_it_sent(tmp_path: Path, deliver_settings: Make, status: int) -> None:
    outbox = MemoryOutbox()
    with archive() as peer:
        peer.status = status
        number = outbox.put("pacs")
        with running(tmp_path, outbox, deliver_settings(), peer.port):
            assert wait_until(lambda: f"{status:04X}" in outbox.row(number).last_error)
            stays(lambda: len(peer.asked) == 1, for_s=0.2)
    assert (outbox.states(), len(peer.asked)) == ([DeliveryState.SENT], 1)


def test_a_peer_without_the_class_leaves_it_sent(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with pacs() as peer:
        number = outbox.put("pacs")
        with running(tmp_path, outbox, deliver_settings(), peer.port):
            assert wait_until(lambda: "no storage commitment" in outbox.row(number).last_error)
    assert outbox.states() == [DeliveryState.SENT]


def test_an_archive_that_answers_no_request_is_not_asked_for_each_batch(
    tmp_path: Path, deliver_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "BATCH", 1)
    outbox = MemoryOutbox()
    with archive() as peer:
        peer.status = 0x0110
        for _ in range(20):
            outbox.put("pacs")
        settings = deliver_settings(backoff_initial_s=3600.0, backoff_max_s=3600.0)
        with running(tmp_path, outbox, settings, peer.port):
            assert wait_until(lambda: outbox.states() == [DeliveryState.SENT] * 20 and bool(peer.asked))
            stays(lambda: len(peer.asked) == 1, for_s=0.5)
    assert len(peer.asked) == 1


def test_reports_are_read_strictly() -> None:
    report = Dataset()
    report.TransactionUID = "1.2.3"
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.3.4"
    report.ReferencedSOPSequence = [item]
    assert read_report(1, report) == CommitmentReport("1.2.3", True, ("1.2.3.4",))
    assert not read_report(2, report).complete
    report.FailedSOPSequence = [item]
    assert read_report(1, report) == CommitmentReport("1.2.3", False, ("1.2.3.4",), (("1.2.3.4", 0x0110),))
    for event_type, broken in ((3, report), (1, Dataset())):
        with pytest.raises(ValueError, match="no report"):
            read_report(event_type, broken)


@pytest.mark.more
def test_what_was_sent_is_committed(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with archive() as peer, running(tmp_path, outbox, deliver_settings(), peer.port):
        numbers = [outbox.put("pacs") for _ in range(3)]
        assert wait_until(lambda: outbox.states() == [DeliveryState.COMMITTED] * 3)
        assert wait_until(lambda: set(peer.answers) == {0x0000})
    uids = {outbox.result(number).sop_instance_uid for number in numbers}
    assert {item.ReferencedSOPInstanceUID for one in peer.asked for item in one.ReferencedSOPSequence} == uids
    assert all(item.ReferencedSOPClassUID == BasicTextSRStorage for item in peer.asked[0].ReferencedSOPSequence)


@pytest.mark.more
def test_a_lying_archive_is_found_out(tmp_path: Path, deliver_settings: Make) -> None:
    """It answered 0x0000 to the C-STORE and does not have the object."""
    outbox = MemoryOutbox()
    with archive() as peer:
        number = outbox.put("pacs")
        uid = outbox.result(number).sop_instance_uid
        peer.lacks = {uid}
        with running(tmp_path, outbox, deliver_settings(), peer.port):
            assert wait_until(lambda: bool(outbox.reports))
    assert outbox.reports[0].failed == ((uid, 0x0112),)
    assert not outbox.reports[0].complete
    assert outbox.states() == [DeliveryState.SENT]


@pytest.mark.more
def test_a_passing_failure_is_asked_again(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with archive() as peer:
        peer.status = 0x0110
        outbox.put("pacs")
        with running(tmp_path, outbox, deliver_settings(), peer.port):
            assert wait_until(lambda: len(peer.asked) >= 2)
            peer.status = 0x0000
            assert wait_until(lambda: outbox.states() == [DeliveryState.COMMITTED])
