"""``destinations try`` on what hospitals run: Orthanc, DCMTK's storescp and dcmqrscp; read back as users would."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from miqa_node.interfaces.cli.app import run
from tests.conftest import free_port
from tests.packages.selftest.test_destination_trial import site
from tests.peers.orthanc import Orthanc
from tests.peers.test_receive_peers import BIN, dcmtk
from tests.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.peers

LABEL_MAP = "SEG_LABELMAP"
"""Its SOP class is younger than these archives, which refuse it by C-STORE."""


def trial(config: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    out = str(config.parent / "out")
    code = run(["destinations", "try", "pacs", "--yes", "--json", "--config", str(config), "--out", out, *options])
    return code, json.loads(capsys.readouterr().out)


def answers(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Those about each object but the label map."""
    rest = [one for one in document["objects"] if one["kind"] != LABEL_MAP]
    assert len(rest) == 16
    return {(one["stored"], one["found"], one["committed"]) for one in rest}


@contextmanager
def dcmtk_server(program: str, port: int, *arguments: object) -> Iterator[None]:
    if not (BIN / program).exists():
        pytest.skip(f"{program} is not installed")
    command = [str(BIN / program), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: dcmtk("echoscu", "-aec", "PACS", "127.0.0.1", port).returncode == 0, what=program)
        yield
    finally:
        process.kill()
        process.wait(timeout=LIMIT_S)


def test_orthanc_stores_finds_and_commits(tmp_path: Path, capsys: pytest.CaptureFixture[str], orthanc: Orthanc) -> None:
    """While no node runs, the trial takes the report at the node's port."""
    config = site(tmp_path, orthanc.dicom_port, ae_title="ORTHANC", commitment=True)
    port = int(config.read_text("utf-8").split("port = ")[1].split()[0])
    orthanc.call("/modalities/node", {"AET": "MIQA", "Host": "127.0.0.1", "Port": port}, "PUT")
    code, document = trial(config, capsys)
    assert answers(document) == {("stored", "found", "committed")}
    assert document["worst_of_its_objects"] == "well"
    [refusal] = [one for one in document["objects"] if one["stored"] == "refused"]
    assert (code, refusal["kind"]) == (1, LABEL_MAP)
    held = [pydicom.dcmread(BytesIO(orthanc.file(one))) for one in orthanc.call("/instances")]
    assert sorted(document["to_delete"]) == sorted(ds.SOPInstanceUID for ds in held)
    assert {(ds.PatientID, ds.StudyInstanceUID) for ds in held} == {
        (document["patient_id"], document["study_instance_uid"])
    }
    assert len(orthanc.call("/studies")) == 1, "deleting this study deletes all"


def test_a_report_that_goes_to_a_running_node_is_said_to_be_out_of_sight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], orthanc: Orthanc
) -> None:
    config = site(tmp_path, orthanc.dicom_port, ae_title="ORTHANC", commitment=True)
    port = int(config.read_text("utf-8").split("port = ")[1].split()[0])
    orthanc.call("/modalities/node", {"AET": "MIQA", "Host": "127.0.0.1", "Port": port}, "PUT")
    with dcmtk_server("storescp", port, port):  # anything that listens there
        code, document = trial(config, capsys, "--only-objects", "--limit", "1")
    assert code == 0
    assert {one["committed"] for one in document["objects"]} == {"not seen"}
    assert any(
        f"port {port}" in note and "while no node runs" in note and "transaction 2.25." in note
        for note in document["notes"]
    )


def test_orthanc_by_dicomweb(tmp_path: Path, capsys: pytest.CaptureFixture[str], orthanc: Orthanc) -> None:
    config = site(tmp_path, 1)
    code, document = trial(config, capsys, "--destination", f"pacs={orthanc.dicomweb}")
    assert (code, document["worst"], document["search_service"]) == (0, "well", "QIDO-RS")
    assert {(one["stored"], one["found"]) for one in document["objects"]} == {("stored", "found")}
    assert document["changes"] == []


def test_storescp_keeps_all_and_answers_no_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port, folder = free_port(), tmp_path / "kept"
    folder.mkdir()
    with dcmtk_server("storescp", port, "-od", folder, port):
        code, document = trial(site(tmp_path, port), capsys)
    assert (code, document["worst_of_its_objects"], document["search_service"]) == (1, "well", "")
    assert answers(document) == {("stored", "not asked", "not asked")}
    assert any("answers no C-FIND" in note for note in document["notes"])
    held = [pydicom.dcmread(file) for file in folder.iterdir()]
    assert sorted(ds.SOPInstanceUID for ds in held) == sorted(document["to_delete"])
    assert all(ds.PatientID.startswith("TEST-") and str(ds.PatientName).startswith("TEST^") for ds in held)


def test_dcmqrscp_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port, storage = free_port(), tmp_path / "storage"
    storage.mkdir()
    file = tmp_path / "dcmqrscp.cfg"
    file.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n"
        f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nPACS {storage} RW (1000, 1024mb) ANY\nAETable END\n"
    )
    with dcmtk_server("dcmqrscp", port, "-c", file):
        code, document = trial(site(tmp_path, port), capsys, "--commitment")
    assert answers(document) == {("stored", "found", "refused")}
    assert code == 1
    assert any("no storage commitment" in note for note in document["notes"])
