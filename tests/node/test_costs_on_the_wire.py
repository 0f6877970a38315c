"""What a CT slice costs the node from the network to its sealed audit record, in all threads that work for it.

Counts that no machine changes, as in ``test_costs``: there one thread takes in files, here a sender stores over an
association, and the records are sealed as the thread of the audit trail does it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import FrameType

import pydicom
import pytest
from pydicom.uid import CTImageStorage
from structlog.testing import capture_logs

from benchmarks.receive import make_files
from miqa_node.core.keys.signing import Signer
from miqa_node.core.settings import load_settings
from miqa_node.features.audit import rows as chain
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.receive.scp import StorageScp
from tests.node.test_costs import Receiver
from tests.stages.receive.wire import RawPeer, encoded, p_data, pdv

FEW, MANY, PDU_BYTES = 4, 24, 1 << 17
CALLS = ("call", "c_call")
WIRE_CALLS = 1_250
"""Function calls of a slice in all threads: 1,130. They were 1,750 where the header of each slice was read as if it
were the only one of its series, and its SOP class compared with one family after the other."""
WIRE_WRITES = 46
"""Calls of write, writev and pwrite of a slice, in all threads: three for its file, and two for each page that its
transaction and the sealing of its record change."""
WIRE_BYTES = 640_000
"""Bytes that these write, of which the slice has 524,288."""


class ThreadCalls:
    """Function calls, of Python and of C, in all threads that begin within the block, but for the one that waits for
    connections: that one looks again and again, so that its calls count the time that a run took.

    Not by cProfile: from Python 3.12 on one process has one of them at a time.
    """

    def __init__(self) -> None:
        self._of_threads: list[Iterator[int]] = []

    @contextmanager
    def counted(self) -> Iterator[None]:
        threading.setprofile(self._begin)
        try:
            yield
        finally:
            threading.setprofile(None)

    def _begin(self, _frame: FrameType, _event: str, _argument: object) -> None:
        sys.setprofile(None)
        if not threading.current_thread().name.startswith("storage-scp-"):
            calls = count()
            self._of_threads.append(calls)
            sys.setprofile(lambda _frame, event, _argument: next(calls) if event in CALLS else None)

    def total(self) -> int:
        return sum(next(calls) for calls in self._of_threads)


def _written() -> tuple[int, int]:
    """Calls that wrote, and bytes, of this process so far."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text("ascii").splitlines())
    return int(lines["syscw"]), int(lines["wchar"])


def _cost(receiver: Receiver, files: list[Path], signer: Signer) -> tuple[int, int, int]:
    """Function calls, calls that write, and their bytes, until the slices are answered and their records sealed."""
    settings = load_settings(dicom={"host": "127.0.0.1", "port": 0}).dicom
    calls, (writes, size) = ThreadCalls(), _written()
    with calls.counted(), capture_logs():
        scp = StorageScp(settings, receiver.intake)
        scp.start()
        try:
            _send(scp.port, files)
        finally:
            scp.stop(10.0)
        sealing = threading.Thread(target=_seal, args=(receiver, signer))
        sealing.start()
        sealing.join()
    writes_after, size_after = _written()
    return calls.total(), writes_after - writes, size_after - size


def _send(port: int, files: list[Path]) -> None:
    """From this thread, whose calls are not counted."""
    with RawPeer(port) as peer:
        for file in files:
            ds = pydicom.dcmread(file)
            command, data = RawPeer.command(CTImageStorage, ds.SOPInstanceUID), encoded(ds)
            peer.socket.sendall(p_data(pdv(3, command)))
            for start in range(0, len(data), PDU_BYTES):
                peer.socket.sendall(p_data(pdv(2 * (start + PDU_BYTES >= len(data)), data[start : start + PDU_BYTES])))
            assert peer.read_status() == 0x0000


def _seal(receiver: Receiver, signer: Signer) -> None:
    with receiver.database.begin() as transaction:
        assert chain.seal(transaction, signer, "t", datetime.now(UTC)) > 0


@pytest.mark.usefixtures("folders_of_a_node")
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count calls of a process")
def test_calls_writes_and_bytes_of_a_slice_in_all_threads(tmp_path: Path, pool: WorkerPool) -> None:
    receiver, signer = Receiver(tmp_path, pool), Signer.open(tmp_path / "signing.key")
    try:
        files = make_files(tmp_path / "source", "CT 0.5 MB", 1 + FEW + MANY)
        _cost(receiver, files[:1], signer)  # compiles statements, makes folders
        few = _cost(receiver, files[1 : 1 + FEW], signer)
        many = _cost(receiver, files[1 + FEW :], signer)
    finally:
        receiver.database.close()
    calls, writes, size = ((more - less) / (MANY - FEW) for more, less in zip(many, few, strict=True))
    assert calls <= WIRE_CALLS, calls
    assert writes <= WIRE_WRITES, writes
    assert size <= WIRE_BYTES, size
