"""Images made to exhaust the node: it stays small, and the image that another scanner sends beside them is reported."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from tests.crash.station import LIMIT_S, Node, Pacs, noise
from tests.waiting import wait_until

MOST_BYTES = 1_000_000_000
NEIGHBOUR_S = 5.0
SLOWER = 4.0
"""On a machine that has much else to do: beside hostile images, compared with the same image alone."""
BOMB_SIDE = 14_000
LARGEST_SIDE = 7_990
"""Just within imaging.max_pixels: inflated, decoded and judged."""


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.close()


@pytest.fixture
def node(tmp_path: Path, pacs: Pacs) -> Iterator[Node]:
    (tmp_path / "data").mkdir()
    node = Node(tmp_path, pacs.port)
    yield node
    node.close()


def send(ds: Dataset, sender: str, port: int) -> str:
    """Send one object; its SOP Instance UID."""
    ae = AE(sender)
    syntax = ds.file_meta.TransferSyntaxUID
    ae.add_requested_context(ds.SOPClassUID, syntax)
    association = ae.associate("127.0.0.1", port)
    assert association.is_established
    assert association.send_c_store(ds).Status == 0x0000
    association.release()
    return str(ds.SOPInstanceUID)


def renewed(ds: Dataset) -> Dataset:
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    return ds


def deflated_zeros(samples: Path, side: int) -> Dataset:
    """A few hundred kilobytes that inflate to ``side`` × ``side`` pixels of 16 bits."""
    ds, _ = noise(samples)
    ds.Rows = ds.Columns = side
    ds.PixelData = bytes(2 * side * side)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return renewed(ds)


def most_memory(node: Node) -> int:
    """The most resident memory that the node's own process ever had, in bytes."""
    status = Path(f"/proc/{node.process.pid}/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


@pytest.mark.timeout(900)
def test_hostile_images_neither_swell_the_node_nor_delay_another_scanner(node: Node, pacs: Pacs, samples: Path) -> None:
    def report_s(began: float, uid: str) -> float:
        wait_until(lambda: uid in pacs.reports, LIMIT_S, "the image has its report")
        return round(time.monotonic() - began, 1)

    def neighbour_s() -> float:
        uid = send(renewed(pydicom.dcmread(samples / "RG1_UNCR.dcm")), "CR1", node.dicom_port)
        return report_s(time.monotonic(), uid)

    wait_until(node.is_ready, LIMIT_S, "the node is ready")
    neighbour_s()  # the first one warms caches
    alone_s, idle_bytes = neighbour_s(), most_memory(node)
    hostile = [
        *(send(deflated_zeros(samples, BOMB_SIDE), "HOSTILE", node.dicom_port) for _ in range(2)),
        *(send(deflated_zeros(samples, LARGEST_SIDE), "HOSTILE", node.dicom_port) for _ in range(4)),
    ]
    beside_s = neighbour_s()
    waiting = sum(uid not in pacs.reports for uid in hostile)
    hostile_s = [report_s(time.monotonic(), uid) for uid in hostile]
    figures = {
        "alone_s": alone_s, "beside_s": beside_s, "hostile_that_waited": waiting, "hostile_s": hostile_s[-1],
        "before_MB": idle_bytes // 10**6, "most_MB": most_memory(node) // 10**6,
    }  # fmt: skip
    print(json.dumps(figures))
    assert most_memory(node) < MOST_BYTES
    assert beside_s < max(NEIGHBOUR_S, SLOWER * alone_s)
    assert all(len(pacs.reports[uid]) == 1 for uid in hostile)
