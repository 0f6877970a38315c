"""Peers ask whether the node keeps their objects: on the same association, on a new one, and after a crash."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.transport import ThreadedAssociationServer

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.settings import load_settings
from miqa_node.errors import SettingsError
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.deliver import commitment_reports
from miqa_node.stages.deliver.commitment_reports import CommitmentReporter, parse_commitment_peer
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.contexts import COMMITMENT_PUSH_MODEL
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.rows import promises
from miqa_node.stages.receive.rows.commitment_requests import DatabaseLedger
from miqa_node.stages.receive.scp import StorageScp
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.waiting import LIMIT_S, stays, wait_until

CLASS = "1.2.840.10008.5.1.4.1.1.1"
INSTANCE = "1.2.840.10008.1.20.1.1"


class Modality:
    """Asks, and takes reports on its association or, when it listens, on one that the node opens."""

    def __init__(self) -> None:
        self.reports: list[tuple[int | None, Dataset]] = []
        self.title = "CT1"
        self.is_scp: list[bool | None] = []
        self.requests = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def take(self, event: evt.Event) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        assert self.may_answer.wait(LIMIT_S)
        return 0x0000, None

    @contextmanager
    def listening(self) -> Iterator[int]:
        ae = AE(self.title)
        ae.add_supported_context(COMMITMENT_PUSH_MODEL, scu_role=True, scp_role=True)
        server = ae.make_server(
            ("127.0.0.1", 0),
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.take), (evt.EVT_ACCEPTED, self._accepted)],
            server_class=ThreadedAssociationServer,
        )
        ae._servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()

    def _accepted(self, event: evt.Event) -> None:
        self.is_scp.append(event.assoc.requestor.role_selection[COMMITMENT_PUSH_MODEL].scp_role)

    @contextmanager
    def association(self, port: int) -> Iterator[Callable[..., int]]:
        ae = AE(self.title)
        ae.network_timeout = None  # it waits as long as it takes
        ae.add_requested_context(COMMITMENT_PUSH_MODEL)
        here: list[evt.Event] = []
        answered: list[Any] = []

        def take(event: evt.Event) -> tuple[int, None]:
            here.append(event)
            return self.take(event)

        association = ae.associate("127.0.0.1", port, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
        assert association.is_established
        serve, send = association._serve_request, association.dimse.send_msg

        def serve_request(message: Any, context_id: int) -> None:
            serve(message, context_id)
            answered.append(message)

        def send_message(primitive: Any, context_id: int) -> None:
            send(primitive, context_id)
            self.requests += isinstance(primitive, N_ACTION)

        association.__dict__["_serve_request"] = serve_request
        association.dimse.__dict__["send_msg"] = send_message

        def all_answered() -> None:
            """pynetdicom answers a report in a thread of its own, and is at rest only when that is through."""
            wait_until(lambda: len(answered) == len(here))

        def ask(
            *uids: str,
            action: int = 1,
            sop_class: str = CLASS,
            transaction: str = "",
            well_known: str = INSTANCE,
            at_once: bool = False,
        ) -> int:
            request = Dataset()
            request.TransactionUID = transaction or generate_uid()
            request.ReferencedSOPSequence = [Dataset() for _ in uids]
            for item, uid in zip(request.ReferencedSOPSequence, uids, strict=True):
                item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
            if not at_once:
                all_answered()
            status, _ = association.send_n_action(request, action, COMMITMENT_PUSH_MODEL, well_known)
            return int(status.Status)

        yield ask
        all_answered()  # an answer after the request to release would be a protocol error
        association.release()


@pytest.fixture
def keeping(database: Database, objects: DiskObjects) -> Database:
    """A node's database with the instances 1.2.3.1 and 1.2.3.2."""
    with database.begin() as transaction:
        for number in (1, 2):
            key = original_key(digest(number))
            instances.record(transaction, header(number), study(), received(digest(number)), key, "")
            objects.put(key, f"{number}".encode())  # what the digest is of
    return database


@pytest.fixture
def objects(tmp_path: Path) -> DiskObjects:
    return DiskObjects(tmp_path / "objects")


@contextmanager
def node(
    database: Database, tmp_path: Path, *, fast: bool = True, peers: tuple[str, ...] = (), **more: Any
) -> Iterator[StorageScp]:
    dicom = {"host": "127.0.0.1", "port": 0, "dimse_timeout_s": more.get("dimse_timeout_s", 30.0)}
    settings = load_settings(dicom=dicom, deliver={"dimse_timeout_s": 3.0})
    reporter = CommitmentReporter(
        DatabaseLedger(database, DiskObjects(tmp_path / "objects")), settings.deliver, "MIQA", peers
    )
    commitment = Commitment(more.get("ask", reporter.ask), reporter.answered, more.get("report", lambda t, ds: None))
    intake = Intake.of(settings.dicom, tmp_path / "in", lambda r: None, lambda: None)
    scp = StorageScp(settings.dicom, intake, commitment=commitment, fast=fast)
    scp.start()
    reporter.start()
    try:
        yield scp
    finally:
        scp.stop(1.0)
        reporter.stop()


def test_what_is_lost_or_damaged_fails_with_the_reason(keeping: Database, objects: DiskObjects, tmp_path: Path) -> None:
    modality = Modality()
    objects.replace(original_key(digest(1)), b"0")
    with node(keeping, tmp_path) as scp, modality.association(scp.port) as ask:
        assert ask("1.2.3.1", "1.2.3.2") == 0x0000
        assert wait_until(lambda: len(modality.reports) == 1)
        objects.delete([original_key(digest(1))])
        assert ask("1.2.3.1", "1.2.3.2") == 0x0000
        assert wait_until(lambda: len(modality.reports) == 2)
    for (event_type, report), reason in zip(modality.reports, (0x0110, 0x0112), strict=True):
        assert event_type == 2
        assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["1.2.3.2"]
        [item] = report.FailedSOPSequence
        assert (item.ReferencedSOPInstanceUID, item.FailureReason) == ("1.2.3.1", reason)


def break_reading(patch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """From now on no original can be read, until the patches are undone; whether that was met."""
    met = threading.Event()

    def fail(_objects: DiskObjects, _key: str) -> Iterator[bytes]:
        met.set()
        raise OSError(errno.EIO, "Input/output error")

    patch.setattr(DiskObjects, "chunks", fail)
    return met.is_set


def test_what_cannot_be_read_is_told_on_the_same_association_as_soon_as_it_can(
    keeping: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_PAUSE_S", "POLL_S"):
        monkeypatch.setattr(commitment_reports, name, 0.05)
    other, modality = Modality(), Modality()
    with node(keeping, tmp_path) as scp, modality.association(scp.port) as ask, other.association(scp.port) as ask_too:
        with pytest.MonkeyPatch.context() as patch:
            is_met = break_reading(patch)
            assert ask("1.2.3.1") == 0x0000
            wait_until(is_met)
            assert ask_too("9.9.9") == 0x0000
            wait_until(lambda: len(other.reports) == 1, what="others have their turn")
            assert modality.reports == []
        wait_until(lambda: len(modality.reports) == 1)
    assert [event_type for event_type, _ in modality.reports] == [1]


def test_what_cannot_be_read_for_long_fails_and_is_not_called_lost(
    keeping: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_PAUSE_S", "POLL_S"):
        monkeypatch.setattr(commitment_reports, name, 0.05)
    monkeypatch.setattr(commitment_reports, "PATIENCE", 2)
    break_reading(monkeypatch)
    modality = Modality()
    with node(keeping, tmp_path) as scp, modality.association(scp.port) as ask:
        assert ask("1.2.3.1") == 0x0000
        wait_until(lambda: len(modality.reports) == 1)
    [(event_type, report)] = modality.reports
    assert (event_type, report.FailedSOPSequence[0].FailureReason) == (2, 0x0110)
    with keeping.begin() as transaction:
        assert transaction.execute(sa.select(tables.damages)).all() == []


def test_a_request_for_many_objects_leaves_the_others_their_turn(
    keeping: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_reports, "TURN_S", 0.0)
    monkeypatch.setattr(promises, "GROUP_BYTES", 1)
    large, small = Modality(), Modality()
    with node(keeping, tmp_path) as scp, large.association(scp.port) as ask_all, small.association(scp.port) as ask:
        assert ask_all("1.2.3.1", "1.2.3.2", "9.9.9") == 0x0000
        assert ask("1.2.3.1") == 0x0000
        assert wait_until(lambda: (len(large.reports), len(small.reports)) == (1, 1))
    [(_, report)] = large.reports
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["1.2.3.1", "1.2.3.2"]


@pytest.mark.parametrize("fast", [True, False])
def test_a_peer_whose_address_is_unknown_is_told_on_the_same_association(
    keeping: Database, tmp_path: Path, fast: bool
) -> None:
    modality = Modality()
    with node(keeping, tmp_path, fast=fast) as scp, modality.association(scp.port) as ask:
        assert ask("1.2.3.1", "1.2.3.2") == 0x0000
        assert wait_until(lambda: len(modality.reports) == 1)
        assert ask("1.2.3.1", "9.9.9") == 0x0000
        assert wait_until(lambda: len(modality.reports) == 2)
        assert ask("1.2.3.1", sop_class="1.2.840.10008.5.1.4.1.1.2") == 0x0000
        assert wait_until(lambda: len(modality.reports) == 3)
    (all_kept, first), (some_lacking, second), (_, third) = modality.reports
    assert (all_kept, some_lacking) == (1, 2)
    assert [item.ReferencedSOPInstanceUID for item in first.ReferencedSOPSequence] == ["1.2.3.1", "1.2.3.2"]
    assert "FailedSOPSequence" not in first
    (lacking,) = second.FailedSOPSequence
    assert (lacking.ReferencedSOPInstanceUID, lacking.FailureReason) == ("9.9.9", 0x0112)
    assert [item.ReferencedSOPInstanceUID for item in second.ReferencedSOPSequence] == ["1.2.3.1"]
    assert third.FailedSOPSequence[0].FailureReason == 0x0119


@pytest.mark.parametrize("fast", [True, False])
def test_what_a_peer_asks_before_it_answers_a_report_is_not_lost(keeping: Database, tmp_path: Path, fast: bool) -> None:
    modality = Modality()
    modality.may_answer.clear()
    with (
        node(keeping, tmp_path, fast=fast, dimse_timeout_s=LIMIT_S) as scp,
        modality.association(scp.port) as ask,
        ThreadPoolExecutor(1) as thread,
    ):
        assert ask("1.2.3.1") == 0x0000
        wait_until(lambda: len(modality.reports) == 1)
        second = thread.submit(ask, "1.2.3.2", at_once=True)
        wait_until(lambda: modality.requests == 2)
        modality.may_answer.set()
        assert second.result(LIMIT_S) == 0x0000
        wait_until(lambda: len(modality.reports) == 2)
    asked_for = [[item.ReferencedSOPInstanceUID for item in it.ReferencedSOPSequence] for _, it in modality.reports]
    assert asked_for == [["1.2.3.1"], ["1.2.3.2"]]


@pytest.mark.parametrize("fast", [False, True])
def test_a_report_never_comes_before_the_answer_to_the_request(
    keeping: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    modality, plain = Modality(), CommitmentReporter.ask
    monkeypatch.setattr(commitment_reports, "ANSWER_S", 0.0)

    def ask_and_be_slow(self: CommitmentReporter, request: CommitmentRequest, association: Association) -> None:
        plain(self, request, association)
        self.answered()  # the reporter is awake, as it is behind the report of another
        stays(lambda: not modality.reports, for_s=0.5)

    monkeypatch.setattr(CommitmentReporter, "ask", ask_and_be_slow)
    with node(keeping, tmp_path, fast=fast) as scp, modality.association(scp.port) as ask:
        assert ask("1.2.3.1") == 0x0000
        wait_until(lambda: len(modality.reports) == 1)


def test_a_peer_with_a_known_address_is_told_on_a_new_association_in_the_other_role(
    keeping: Database, tmp_path: Path
) -> None:
    modality = Modality()
    with modality.listening() as port, node(keeping, tmp_path, peers=(f"CT1@127.0.0.1:{port}",)) as scp:
        with modality.association(scp.port) as ask:
            assert ask("1.2.3.1") == 0x0000
        assert wait_until(lambda: len(modality.reports) == 1)
        assert modality.is_scp == [True]


def test_a_request_to_another_instance_is_refused(keeping: Database, tmp_path: Path) -> None:
    modality = Modality()
    with node(keeping, tmp_path) as scp, modality.association(scp.port) as ask:
        assert ask("1.2.3.1", well_known="1.2.840.10008.1.20.1.2") == 0x0112
        assert ask("1.2.3.1") == 0x0000


def test_where_nobody_listens_the_same_association_is_the_way_out(keeping: Database, tmp_path: Path) -> None:
    modality = Modality()
    with node(keeping, tmp_path, peers=("CT1@127.0.0.1:1",)) as scp, modality.association(scp.port) as ask:
        assert ask("1.2.3.1") == 0x0000
        assert wait_until(lambda: len(modality.reports) == 1)


def test_two_peers_with_one_transaction_uid_are_told_each_of_its_own(keeping: Database, objects: DiskObjects) -> None:
    reporter = CommitmentReporter(DatabaseLedger(keeping, objects), load_settings().deliver, "MIQA", ())
    reports: list[tuple[str, str]] = []

    def tell(peer: str, _event_type: int, report: Dataset) -> bool:
        reports.append((peer, report.ReferencedSOPSequence[0].ReferencedSOPInstanceUID))
        return True

    for peer, uid in (("CT1", "1.2.3.1"), ("CT2", "1.2.3.2")):
        request = CommitmentRequest("1.2.9", peer, "MIQA", "127.0.0.1", ((CLASS, uid),))
        reporter.ask(request, partial(tell, peer))
    reporter.start()
    try:
        assert wait_until(lambda: len(reports) == 2)
    finally:
        reporter.stop()
    assert sorted(reports) == [("CT1", "1.2.3.1"), ("CT2", "1.2.3.2")]


def test_what_cannot_be_told_is_tried_again_and_says_why(keeping: Database, objects: DiskObjects) -> None:
    ledger = DatabaseLedger(keeping, objects)
    request = CommitmentRequest("1.2.9", "CT1", "MIQA", "127.0.0.1", ((CLASS, "1.2.3.1"),))
    ledger.ask(request, -1.0)
    claimed = ledger.claim(60.0)
    assert claimed == request
    assert ledger.claim(60.0) is None
    ledger.failed(claimed, "nobody there", NOW)
    again = ledger.claim(60.0)
    assert again is not None
    assert again.attempts == 1
    ledger.failed(claimed, "given up", None)
    assert ledger.claim(60.0) is None


def test_requests_and_reports_that_are_none_are_refused(keeping: Database, tmp_path: Path) -> None:
    def refuse(event_type: int, information: Dataset) -> None:
        raise ValueError("no report")

    def away(request: object, association: object) -> None:
        raise RuntimeError("database is away")

    modality = Modality()
    with node(keeping, tmp_path, report=refuse) as scp, modality.association(scp.port) as ask:
        assert ask() == 0x0115
        assert ask("1.2.3.1", action=7) == 0x0123
        ae = AE("PACS")
        ae.add_requested_context(COMMITMENT_PUSH_MODEL)
        association = ae.associate("127.0.0.1", scp.port)
        report = Dataset()
        report.TransactionUID = "1.2.3"
        status, _ = association.send_n_event_report(report, 1, COMMITMENT_PUSH_MODEL, INSTANCE)
        assert status.Status == 0x0115
        association.release()
    with node(keeping, tmp_path, ask=away) as scp, modality.association(scp.port) as ask:
        assert ask("1.2.3.1") == 0x0110


@pytest.mark.parametrize(
    "entry", ["", "CT1", "CT1@", "CT1@host", "CT1@host:x", "CT1@host:0", "@host:104", "SEVENTEEN_LETTERS@h:1"]
)
def test_wrong_peers_are_named(entry: str) -> None:
    with pytest.raises(SettingsError, match="commitment_peers"):
        parse_commitment_peer(entry)


@pytest.mark.more
def test_a_report_that_a_crash_left_over_is_sent_after_the_next_start(
    keeping: Database, objects: DiskObjects, tmp_path: Path
) -> None:
    modality = Modality()
    request = CommitmentRequest("1.2.9", "CT1", "MIQA", "127.0.0.1", ((CLASS, "1.2.3.1"),))
    DatabaseLedger(keeping, objects).ask(request, -1.0)  # the process that took it is gone, and its claim has run out
    with modality.listening() as port, node(keeping, tmp_path, peers=(f"CT1@127.0.0.1:{port}",)):
        assert wait_until(lambda: [report.TransactionUID for _, report in modality.reports] == ["1.2.9"])
    assert wait_until(lambda: DatabaseLedger(keeping, objects).claim(1.0) is None)


def calls(listener: socket.socket) -> list[socket.socket]:
    """The connections that nobody has answered."""
    answers: list[socket.socket] = []
    listener.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            answers.append(listener.accept()[0])
    for one in answers:
        one.close()
    return answers


@pytest.mark.more
def test_a_peer_that_is_silent_delays_the_reports_to_others_once(
    keeping: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_reports, "AWAY_S", 3600.0)
    silent, modality = Modality(), Modality()
    silent.title, modality.title = "SILENT", "CT1"
    with (
        socket.create_server(("127.0.0.1", 0)) as hole,
        modality.listening() as port,
        node(keeping, tmp_path, peers=(f"SILENT@127.0.0.1:{hole.getsockname()[1]}", f"CT1@127.0.0.1:{port}")) as scp,
    ):
        with silent.association(scp.port) as ask:
            assert {ask("1.2.3.1") for _ in range(8)} == {0x0000}
        with modality.association(scp.port) as ask:
            assert ask("1.2.3.1") == 0x0000
        wait_until(lambda: len(modality.reports) == 1)
        assert len(calls(hole)) == 1  # eight reports wait
