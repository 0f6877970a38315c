"""What is damaged while a node works is not promised and not sent, and all of it is mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from typer.testing import CliRunner

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.interfaces.cli.app import app
from miqa_node.node import Node
from miqa_node.runtime.store.damages import alarm
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.deliver.rows import deliveries
from tests.conftest import free_port
from tests.node.test_node import Pacs, settings_in, store
from tests.stages.receive.test_asked_commitment import Modality
from tests.waiting import wait_until

pytestmark = pytest.mark.more

RESULTS = "objects/results/*/*.dcm"


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def fsck(folder: Path) -> list[str]:
    ran = CliRunner().invoke(app, ["fsck", "--deep", "--json", "--data-dir", str(folder)])
    return [one["fault"] for one in json.loads(ran.stdout) if one["fault"] != "undeliverable"]


def waiting(node: Node) -> int:
    with node.database.begin() as transaction:
        return deliveries.count_undelivered(transaction).get("PACS", {}).get(DeliveryState.QUEUED, 0)


@pytest.mark.parametrize(("damage", "reason"), [(flip, 0x0110), (empty, 0x0110), (Path.unlink, 0x0112)])
def test_damage_beneath_a_running_node_is_told_and_mended(
    tmp_path: Path, samples: Path, damage: Callable[[Path], Any], reason: int
) -> None:
    source, folder, port = samples / "RG3_UNCR.dcm", tmp_path / "node", free_port()
    ds = pydicom.dcmread(source)
    settings = settings_in(folder, deliver={"backoff_initial_s": 1.0, "breaker_pause_s": 1.0})
    with Node(settings, [parse_flag(f"PACS=PACS@127.0.0.1:{port}")]) as node:
        assert store(node.dicom_port, source) == [0x0000]
        wait_until(lambda: waiting(node) > 0, 60.0)
        originals, results = list(folder.glob("objects/instances/*/*.dcm")), list(folder.glob(RESULTS))
        wholes = {file: file.read_bytes() for file in (*originals, *results)}
        for file in wholes:
            damage(file)
        modality = Modality()
        with modality.association(node.dicom_port) as ask:
            assert ask(ds.SOPInstanceUID, sop_class=ds.SOPClassUID) == 0x0000
            assert wait_until(lambda: len(modality.reports) == 1)
            assert [item.FailureReason for item in modality.reports[0][1].FailedSOPSequence] == [reason]
            with node.database.begin() as transaction:
                assert len(list(alarm(transaction))) == 1

            assert store(node.dicom_port, source) == [0x0000]
            assert [file.read_bytes() for file in originals] == [wholes[file] for file in originals]
            assert ask(ds.SOPInstanceUID, sop_class=ds.SOPClassUID) == 0x0000
            assert wait_until(lambda: len(modality.reports) == 2)
            assert modality.reports[1][0] == 1, "all are kept"

        pacs = Pacs(port)
        try:
            assert wait_until(lambda: len(pacs.objects) >= len(results), 90.0)
        finally:
            pacs.server.shutdown()
        assert {file: file.read_bytes() for file in wholes} == wholes
        assert fsck(folder) == []
        with node.database.begin() as transaction:
            assert list(alarm(transaction)) == []
