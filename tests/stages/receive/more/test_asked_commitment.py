# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Peers ask whether the node keeps their objects: on the same association, on a new one, and after a crash."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.dimse_messages import N_EVENT_REPORT_RSP
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
from tests.stages.receive.test_asked_commitment import CLASS, Modality, keeping, node, objects
from tests.waiting import wait_until


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
