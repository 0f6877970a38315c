# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
""""""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import psutil
import pynetdicom
import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import build_context
from pynetdicom.dimse_messages import N_ACTION_RQ
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.dsutils import encode

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.settings import DicomSettings
from miqa_node.libraries.pynetdicom_streaming import is_available
from miqa_node.stages.deliver.association import ClosingAE
from miqa_node.stages.receive.commitment import PUSH_MODEL_INSTANCE, Commitment
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from tests.stages.receive.test_fastpath import StartNode, fast, node
from tests.stages.receive.wire import Node, RawPeer, encoded, p_data, pdv, send_raw, small_image
from tests.waiting import LIMIT_S

COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model (PS3.4 J.3.1)."""


def test_requests_that_pile_up_are_not_kept(tmp_path: Path, dicom_settings: Callable[..., DicomSettings]) -> None:
    """A peer that asks without waiting for answers must not fill the memory.

    The first request gets no answer before the peer is refused: none piles up where each is answered at once.
    """
    end = threading.Event()
    commitment = Commitment(lambda request, association: wait_for(end), lambda: None, lambda kind, report: None)
    settings = dicom_settings()
    intake = Intake.of(settings, tmp_path / "in", lambda received: None, lambda: None)
    scp = StorageScp(settings, intake, commitment=commitment)
    scp.start()
    stream = large_commitment_request()
    try:
        with RawPeer(scp.port, COMMITMENT) as peer:
            with suppress(OSError):
                for _ in range(400):
                    peer.socket.sendall(stream)
            assert peer.is_ended()
    finally:
        end.set()
        scp.stop(1.0)


def wait_for(event: threading.Event) -> None:
    assert event.wait(60)


def large_commitment_request() -> bytes:
    """A request for storage commitment with half a megabyte of padding."""
    request = N_ACTION()
    request.MessageID = 1
    request.RequestedSOPClassUID = COMMITMENT
    request.RequestedSOPInstanceUID = PUSH_MODEL_INSTANCE
    request.ActionTypeID = 1
    request.ActionInformation = BytesIO(b"xx")
    message = N_ACTION_RQ()
    message.primitive_to_message(request)
    command = encode(message.command_set, is_implicit_vr=True, is_little_endian=True)
    assert command is not None
    item, information = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "1.2.3"
    information.TransactionUID, information.ReferencedSOPSequence = "1.2.4", [item]
    information.DataSetTrailingPadding = bytes(500_000)
    return p_data(pdv(3, command)) + p_data(pdv(2, encoded(information)))


@fast
def test_memory_stays_flat_for_large_objects(start_node: StartNode) -> None:
    node = start_node()
    node.scp._intake._receive = lambda received: None  # the fixture's own would read the file
    ds = small_image()
    uid = ds.SOPInstanceUID
    megabyte = b"\0" * (1 << 20)
    size = 200 << 20
    with RawPeer(node.port) as peer:
        before = psutil.Process().memory_info().rss
        del ds.PixelData
        peer.socket.sendall(p_data(pdv(3, RawPeer.command(CTImageStorage, uid))))
        pixel_head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)
        peer.socket.sendall(p_data(pdv(0, encoded(ds) + pixel_head)))
        # One single fragment of 200 MB: nobody may wait for its end before writing.
        peer.socket.sendall(struct.pack(">BxI", 4, size + 6) + struct.pack(">IBB", size + 2, 1, 2))
        peak = 0
        for _ in range(size >> 20):
            peer.socket.sendall(megabyte)
            peak = max(peak, psutil.Process().memory_info().rss)
        assert peer.read_status() == 0x0000
    assert peak - before < 50 << 20
