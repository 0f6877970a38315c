"""What holds for one process holds for all that receive: limits, refusals, passcodes, commitment, room, TLS, end."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydicom.uid import CTImageStorage
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.observe import metrics
from miqa_node.core.settings import load_settings
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.deliver.commitment_reports import CommitmentReporter
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.rows.commitment_requests import DatabaseLedger
from tests.stages.receive.further import FurtherNode, further_node, store
from tests.stages.receive.test_asked_commitment import Modality
from tests.stages.receive.wire import RawPeer, encoded, p_data, pdv, small_image
from tests.waiting import wait_until

pytestmark = pytest.mark.more

VERIFICATION = "1.2.840.10008.1.1"


def held(node: FurtherNode, ends: ExitStack, count: int = 1) -> list[RawPeer]:
    """Associations that stay open, so that the next ones go to further receivers."""
    return [ends.enter_context(RawPeer(node.port)) for _ in range(count)]


def test_the_limit_of_associations_is_that_of_all_processes_together(tmp_path: Path) -> None:
    calls: list[tuple[str, ...]] = []
    more = {"called": lambda *call: calls.append(tuple(map(str, call)))}
    with further_node(tmp_path, 2, more=more, max_associations=3) as node, ExitStack() as ends:
        peers = held(node, ends, 3)
        with pytest.raises(AssertionError):
            RawPeer(node.port)
        assert calls[-1][2] == "too many associations were open"
        peers[1].socket.close()  # one of a further receiver: its place is free again
        wait_until(lambda: node.scp._seats.count() == 2)
        held(node, ends)
        assert metrics.REGISTRY.get_sample_value("miqa_associations_open") == 3


def test_who_is_refused_by_a_further_receiver_is_known_to_the_node(tmp_path: Path) -> None:
    calls: list[tuple[str, ...]] = []
    more = {"called": lambda *call: calls.append(tuple(map(str, call)))}
    with further_node(tmp_path, 1, more=more, require_called_ae_title=True) as node, ExitStack() as ends:
        held(node, ends)
        ae = AE("STRANGER")
        ae.add_requested_context(VERIFICATION)
        association = ae.associate("127.0.0.1", node.port, ae_title="OTHER")
        assert association.is_rejected
        wait_until(lambda: calls and calls[-1][0] == "STRANGER")
        assert calls[-1][2] == "it called another AE title than this node's"


def test_a_passcode_is_checked_by_the_node(tmp_path: Path) -> None:
    checks: list[tuple[str, str]] = []

    def check(name: str, passcode: str) -> bool:
        checks.append((name, passcode))
        return passcode == "right"

    with further_node(tmp_path, 1, more={"passcodes": check}, user_identity="require") as node, ExitStack() as ends:

        def associate(passcode: str) -> Any:
            ae = AE("CT1")
            ae.add_requested_context(VERIFICATION)
            identity = UserIdentityNegotiation()
            identity.user_identity_type, identity.primary_field = 2, b"anna"
            identity.secondary_field = passcode.encode()
            return ae.associate("127.0.0.1", node.port, ext_neg=[identity])

        first = associate("right")
        ends.callback(first.release)
        second, third = associate("right"), associate("wrong")
        assert second.is_established
        assert third.is_rejected
        assert second.send_c_echo().Status == 0x0000
        second.release()
        assert node.shares()[0] == 1
    assert checks == [("anna", "right"), ("anna", "right"), ("anna", "wrong")]


def test_a_request_for_commitment_is_reported_on_the_association_of_another_process(tmp_path: Path) -> None:
    requests: list[tuple[CommitmentRequest, Callable[..., bool]]] = []
    commitment = Commitment(lambda *one: requests.append(one), lambda: None, lambda _type, _information: None)
    modality = Modality()
    with further_node(tmp_path, 1, more={"commitment": commitment}) as node, ExitStack() as ends:
        held(node, ends)
        with modality.association(node.port) as ask:
            assert node.shares() == [1, 1]
            assert ask("1.2.3.1") == 0x0000
            ((request, report_on),) = requests
            report = small_image()
            report.TransactionUID = request.transaction_uid
            assert report_on(1, report)
            assert [one[0] for one in modality.reports] == [1]
        wait_until(lambda: node.shares() == [1, 0])
        assert not report_on(1, report)


def test_without_room_every_process_refuses_and_says_so_in_the_metrics(tmp_path: Path) -> None:
    is_full = [False]

    def check() -> None:
        if is_full[0]:
            raise ResourcesError("The disk is full.")

    before = metrics.REGISTRY.get_sample_value("miqa_cstore_received_total", {"status": "A700"}) or 0.0
    with further_node(tmp_path, 1, more={"check": check}) as node, ExitStack() as ends:
        peers = held(node, ends, 2)
        assert [store(peer) for peer in peers] == [0x0000] * 2
        is_full[0] = True
        assert wait_until(lambda: [store(peer) for peer in peers] == [0xA700] * 2)
        is_full[0] = False
        assert wait_until(lambda: [store(peer) for peer in peers] == [0x0000] * 2)
        assert node.leftovers() == []
    after = metrics.REGISTRY.get_sample_value("miqa_cstore_received_total", {"status": "A700"}) or 0.0
    assert after - before >= 2


def test_an_object_that_cannot_be_kept_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    def receive(_received: object) -> None:
        raise ResourcesError("The database did not answer.")

    with further_node(tmp_path, 1, more={"receive": receive}) as node, ExitStack() as ends:
        _, peer = held(node, ends, 2)
        assert store(peer) == 0xA700
        assert node.leftovers() == []


def test_an_error_that_nobody_foresaw_is_answered_too(tmp_path: Path) -> None:
    def receive(_received: object) -> None:
        raise ZeroDivisionError

    with further_node(tmp_path, 1, more={"receive": receive}) as node, ExitStack() as ends:
        _, peer = held(node, ends, 2)
        assert store(peer) == 0xC000


def test_a_peer_that_stops_in_the_middle_of_a_slice_leaves_nothing(tmp_path: Path) -> None:
    with further_node(tmp_path, 1) as node, ExitStack() as ends:
        _, peer = held(node, ends, 2)
        ds = small_image(size=1 << 20)
        peer.socket.sendall(p_data(pdv(3, RawPeer.command(ds.SOPClassUID, ds.SOPInstanceUID))))
        peer.socket.sendall(p_data(pdv(0, encoded(ds)[: 1 << 19])))
        wait_until(lambda: any(node.folder.iterdir()))
        peer.socket.close()
        assert node.leftovers() == []
        wait_until(lambda: node.shares() == [1, 0])
        assert node.received == []


def test_an_association_over_tls_is_handed_on_as_well(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    tls: dict[str, Any] = {"tls": "only", "tls_port": 0, "tls_certificate": str(certificate), "tls_key": str(key)}
    with further_node(tmp_path / "node", 1, **tls) as node, ExitStack() as ends:
        peers = [ends.enter_context(RawPeer(node.port, tls=context)) for _ in range(2)]
        assert node.shares() == [1, 1]
        assert [store(peer, 1 << 18) for peer in peers] == [0x0000] * 2


def test_the_end_waits_for_a_slice_under_way_in_another_process(tmp_path: Path) -> None:
    with further_node(tmp_path, 1) as node, ExitStack() as ends:
        _, peer = held(node, ends, 2)
        ds = small_image(size=1 << 18)
        data = encoded(ds)
        peer.socket.sendall(p_data(pdv(3, RawPeer.command(ds.SOPClassUID, ds.SOPInstanceUID))))
        peer.socket.sendall(p_data(pdv(0, data[: 1 << 17])))
        wait_until(lambda: any(node.folder.iterdir()))
        node.receivers.close()  # as stop does first
        peer.socket.sendall(p_data(pdv(2, data[1 << 17 :])))
        assert peer.read_status() == 0x0000
        assert peer.is_ended()
    assert len(node.received) == 1


def test_who_was_handed_on_to_a_process_that_has_ended_is_let_go_and_the_next_one_is_served(tmp_path: Path) -> None:
    with further_node(tmp_path, 1) as node, ExitStack() as ends:
        held(node, ends)
        ended = node.receivers._receivers
        _, peer = held(node, ends)[0], ends.enter_context(RawPeer(node.port))
        (receiver,) = ended
        receiver.close()
        assert peer.is_ended()
        wait_until(lambda: node.shares()[1:] == [])
        again = ends.enter_context(RawPeer(node.port))
        assert store(again) == 0x0000


def test_echo_and_images_share_an_association(tmp_path: Path) -> None:
    with further_node(tmp_path, 1) as node, ExitStack() as ends:
        held(node, ends)
        ae = AE("CT1")
        ae.add_requested_context(VERIFICATION)
        ae.add_requested_context(CTImageStorage)
        association = ae.associate("127.0.0.1", node.port)
        assert association.send_c_echo().Status == 0x0000
        assert association.send_c_store(small_image()).Status == 0x0000
        assert association.send_c_echo().Status == 0x0000
        association.release()
        assert len(node.received) == 1


def test_commitment_through_the_ledger_reaches_an_association_of_another_process(
    tmp_path: Path, database: Database
) -> None:
    ledger = DatabaseLedger(database, DiskObjects(tmp_path / "objects"))
    reporter = CommitmentReporter(ledger, load_settings().deliver, "MIQA", ())
    commitment = Commitment(reporter.ask, reporter.answered, lambda _type, _information: None)
    modality = Modality()
    with further_node(tmp_path / "node", 1, more={"commitment": commitment}) as node, ExitStack() as ends:
        held(node, ends)
        reporter.start()
        ends.callback(reporter.stop)
        with modality.association(node.port) as ask:
            assert ask("1.2.3.9") == 0x0000
            wait_until(lambda: modality.reports)
            assert modality.reports[0][0] == 2  # one is missing
