"""Receiving from and delivering to what hospitals run: DCMTK's tools and Orthanc."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import BasicTextSRStorage

from miqa_node.core.settings import load_settings
from miqa_node.stages.deliver.kinds.base import DeliveryContext, split_file
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from tests.conftest import free_port
from tests.peers.orthanc import Orthanc
from tests.stages.deliver.making import as_file, outcomes, report
from tests.stages.receive.conftest import dicom_settings, start_node  # noqa: F401 - fixtures
from tests.stages.receive.wire import Node
from tests.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.peers

BIN = Path("/usr/bin")
StartNode = Callable[..., Node]


def dcmtk(tool: str, *arguments: object, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    program = BIN / tool  # by path: pynetdicom installs tools of the same names
    if not program.exists():
        pytest.skip(f"{tool} is not installed")
    environment = {**os.environ, "TCP_NODELAY": "1"}
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False)


def test_storescu_with_every_proposal(start_node: StartNode, samples: Path) -> None:  # noqa: F811
    """DCMTK keeps the syntax of a file that it proposes; what it converts is its own choice."""
    node = start_node()
    proposals = {
        "-xe": "MR2_UNCR.dcm",
        "-xb": "liver_expb.dcm",
        "-xi": "MR2_UNCR.dcm",
        "-xv": "MR2_J2KR.dcm",
        "-xw": "MR2_J2KI.dcm",
        "-xt": "emri_small_jpeg_ls_lossless.dcm",
        "-xr": "emri_small_RLE.dcm",
        "-xs": "JPGLosslessP14SV1_1s_1f_8b.dcm",
        "-xy": "color3d_jpeg_baseline.dcm",
    }
    for option, name in proposals.items():
        done = dcmtk("storescu", "-v", option, "-R", "127.0.0.1", node.port, samples / name)
        assert done.returncode == 0, (option, name, done.stderr)
        assert "Received Store Response (Success)" in done.stderr
    assert len(node.received) == len(proposals)
    for number, name in enumerate(proposals.values()):
        copy, sent = dcmread_bytes(node.files[number]), dcmread(samples / name)
        assert copy.SOPInstanceUID == sent.SOPInstanceUID
        if copy.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID:
            assert copy.PixelData == sent.PixelData
    # Explicit VR Little Endian first: nothing that was uncompressed little endian got converted.
    assert dcmread_bytes(node.files[0]).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def dcmread_bytes(data: bytes) -> Any:
    from io import BytesIO

    return dcmread(BytesIO(data))


def test_dcmsend_of_many_files(start_node: StartNode, samples: Path) -> None:  # noqa: F811
    node = start_node()
    names = ["RG1_UNCR.dcm", "RG1_J2KR.dcm", "MR2_UNCR.dcm", "693_UNCR.dcm", "liver.dcm"]
    done = dcmtk("dcmsend", "-v", "127.0.0.1", node.port, *(samples / name for name in names))
    assert done.returncode == 0, done.stderr
    assert len(node.received) == len(names)
    sent = {(ds.SOPInstanceUID, ds.PixelData) for ds in (dcmread(samples / name) for name in names)}
    assert {(ds.SOPInstanceUID, ds.PixelData) for ds in map(dcmread_bytes, node.files)} == sent


def test_echoscu(start_node: StartNode) -> None:  # noqa: F811
    node = start_node()
    assert dcmtk("echoscu", "127.0.0.1", node.port).returncode == 0


def test_storescu_sees_statuses_and_rejections(start_node: StartNode, samples: Path) -> None:  # noqa: F811
    from miqa_node.errors import ResourcesError

    def full() -> None:
        raise ResourcesError("Only 3 MiB are free")

    node = start_node(check=full)
    done = dcmtk("storescu", "-v", "127.0.0.1", node.port, samples / "MR2_UNCR.dcm")
    assert "0xa700" in done.stderr.lower() or "OutOfResources" in done.stderr.replace(" ", "")
    strict = start_node(require_called_ae_title=True)
    done = dcmtk("storescu", "-v", "-aec", "WRONG", "127.0.0.1", strict.port, samples / "MR2_UNCR.dcm")
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stderr


def test_dcmtk_aborting_leaves_nothing(start_node: StartNode, samples: Path) -> None:  # noqa: F811
    node = start_node()
    dcmtk("storescu", "--abort", "127.0.0.1", node.port, samples / "RG1_UNCR.dcm")
    assert len(node.received) == 1
    assert node.leftovers() == []


def test_orthanc_pushes_and_receives(start_node: StartNode, orthanc: Orthanc, samples: Path) -> None:  # noqa: F811
    node = start_node()
    uploaded = [
        orthanc.call("/instances", (samples / name).read_bytes())["ID"]
        for name in ("RG1_UNCR.dcm", "MR2_J2KR.dcm", "693_UNCI.dcm")
    ]
    orthanc.call("/modalities/node", {"AET": "MIQA", "Host": "127.0.0.1", "Port": node.port}, "PUT")
    answer = orthanc.call("/modalities/node/store", {"Resources": uploaded, "Synchronous": True})
    assert answer["FailedInstancesCount"] == 0
    assert len(node.received) == 3
    assert {received.calling_ae_title for received in node.received} == {"ORTHANC"}
    # Orthanc re-encodes what it sends, so its files and ours need not be the same bytes.
    originals = {(ds.SOPInstanceUID, ds.PixelData) for ds in (dcmread_bytes(orthanc.file(i)) for i in uploaded)}
    assert {(ds.SOPInstanceUID, ds.PixelData) for ds in map(dcmread_bytes, node.files)} == originals


def test_results_reach_orthanc_unchanged(orthanc: Orthanc) -> None:
    settings = load_settings().deliver
    config = CStoreConfig(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port)
    destination = CStoreDestination(config, DeliveryContext(settings, "NODE"))
    destination.probe()
    files = [as_file(report(BasicTextSRStorage)) for _ in range(5)]
    assert outcomes(destination, *files) == [None] * 5
    assert outcomes(destination, *files[:1]) == [None]  # again: the same object, no second one
    destination.close()
    datasets = {split_file(orthanc.file(instance))[1] for instance in orthanc.call("/instances")}
    assert datasets == {split_file(data)[1] for _, _, data in files}


def test_results_reach_storescp(tmp_path: Path) -> None:
    if not (BIN / "storescp").exists():
        pytest.skip("storescp is not installed")
    port, folder = free_port(), tmp_path / "out"
    folder.mkdir()
    # +xi: a peer that takes implicit VR only, so the node has to convert
    for option in ("+x=", "+xi"):
        command = [str(BIN / "storescp"), option, "-od", str(folder), str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            destination = CStoreDestination(
                CStoreConfig(name="pacs", ae_title="ANY", host="127.0.0.1", port=port),
                DeliveryContext(load_settings().deliver, "NODE"),
            )
            file = as_file(report())
            wait_until(lambda made=destination, one=file: outcomes(made, one) == [None])  # type: ignore[misc]
            destination.close()
        finally:
            process.terminate()
            process.wait(timeout=LIMIT_S)
        (received_path,) = [path for path in folder.iterdir() if path.name.endswith(file[1])]
        assert dcmread(received_path).StudyInstanceUID == dcmread_bytes(file[2]).StudyInstanceUID
