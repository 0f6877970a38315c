# ruff: noqa: F401 - fixtures of the quick suite are imported by name
"""Storage commitment as the node asks for it: reports on the same association and over the node's own port."""

from __future__ import annotations

import threading
import time
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
from miqa_node.stages.deliver.commitment import read_report
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.lanes import Lanes
from miqa_node.stages.receive.contexts import COMMITMENT_PUSH_MODEL
from tests.stages.deliver.making import MemoryOutbox, pacs
from tests.stages.deliver.test_commitment import Make, archive, no_release_without_end, running
from tests.waiting import wait_until


def test_what_was_sent_is_committed(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with archive() as peer, running(tmp_path, outbox, deliver_settings(), peer.port):
        numbers = [outbox.put("pacs") for _ in range(3)]
        assert wait_until(lambda: outbox.states() == [DeliveryState.COMMITTED] * 3)
        assert wait_until(lambda: set(peer.answers) == {0x0000})
    uids = {outbox.result(number).sop_instance_uid for number in numbers}
    assert {item.ReferencedSOPInstanceUID for one in peer.asked for item in one.ReferencedSOPSequence} == uids
    assert all(item.ReferencedSOPClassUID == BasicTextSRStorage for item in peer.asked[0].ReferencedSOPSequence)


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


def test_a_passing_failure_is_asked_again(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with archive() as peer:
        peer.status = 0x0110
        outbox.put("pacs")
        with running(tmp_path, outbox, deliver_settings(), peer.port):
            assert wait_until(lambda: len(peer.asked) >= 2)
            peer.status = 0x0000
            assert wait_until(lambda: outbox.states() == [DeliveryState.COMMITTED])
