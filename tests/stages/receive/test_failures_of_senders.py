"""TLS that fails and commitment that cannot be reported stand beside refused senders."""

from __future__ import annotations

import socket
from pathlib import Path

import trustme
from pydicom.uid import generate_uid

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.settings import load_settings
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.deliver.commitment_reports import CommitmentReporter
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.rows.commitment_requests import DatabaseLedger
from miqa_node.stages.receive.scp import StorageScp
from tests.conftest import free_port
from tests.waiting import wait_until


def test_a_peer_without_tls_is_named(tmp_path: Path) -> None:
    authority, certificate = trustme.CA(), tmp_path / "node.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    dicom = {"host": "127.0.0.1", "port": 0, "tls": "only", "tls_port": 0, "tls_certificate": str(certificate)}
    settings = load_settings(dicom=dicom)
    called: list[tuple[str, str, str, str]] = []
    intake = Intake.of(settings.dicom, tmp_path / "in", lambda r: None, lambda: None)
    scp = StorageScp(settings.dicom, intake, called=lambda *row: called.append(row))
    scp.start()
    try:
        with socket.create_connection(("127.0.0.1", scp.tls_port)) as connection:
            connection.sendall(b"\x01\x00\x00\x00\x00\x44" + bytes(68))  # an association without TLS
            wait_until(lambda: called, what="it is named")
    finally:
        scp.stop(1.0)
    [(title, address, reason, hint), *_] = called
    assert (title, address) == ("", "127.0.0.1")
    assert reason.startswith("TLS handshake failed")
    assert "dicom.tls_" in hint


def test_a_report_that_nobody_takes_is_named(database: Database, tmp_path: Path) -> None:
    failed: list[tuple[str, str]] = []
    port = free_port()
    settings = load_settings(deliver={"dimse_timeout_s": 3.0, "connection_timeout_s": 3.0}).deliver
    ledger = DatabaseLedger(database, DiskObjects(tmp_path / "objects"))
    reporter = CommitmentReporter(
        ledger, settings, "MIQA", [f"CT1@127.0.0.1:{port}"],
        lambda request, why: failed.append((request.calling_ae_title, why)),
    )  # fmt: skip
    request = CommitmentRequest(generate_uid(), "CT1", "MIQA", "127.0.0.1", (("1.2.3", "1.2.3.1"),))
    ledger.ask(request, -1.0)
    reporter.start()
    try:
        wait_until(lambda: failed, what="it is named")
    finally:
        reporter.stop()
    assert failed[0][0] == "CT1"
    assert failed[0][1]
