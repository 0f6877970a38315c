"""A fault leaves images unassessed in the archive; once it is mended, one command corrects their reports there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID
from typer.testing import CliRunner

from miqa_node.interfaces.cli.app import app
from miqa_node.node import Node
from miqa_node.stages.deliver.destinations import parse_flag
from tests.node.test_node import Pacs, settings_in, store
from tests.peers.orthanc import Orthanc
from tests.peers.validators import errors, missing_tools
from tests.quick import in_gate
from tests.waiting import wait_until

pytestmark = pytest.mark.more


@dataclass
class Archive:
    """Where results go: its address, and what it holds."""

    flag: str
    held: Callable[[], Sequence[pydicom.Dataset]]


@pytest.fixture(params=in_gate(["SCP", pytest.param("Orthanc", marks=pytest.mark.peers)], 1))
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    if request.param == "SCP":
        pacs = Pacs()
        yield Archive(f"PACS=PACS@127.0.0.1:{pacs.port}", lambda: pacs.objects)
        pacs.server.shutdown()
        return
    orthanc: Orthanc = request.getfixturevalue("orthanc")
    yield Archive(
        f"PACS=ORTHANC@127.0.0.1:{orthanc.dicom_port}",
        lambda: [pydicom.dcmread(BytesIO(orthanc.file(one))) for one in orthanc.call("/instances")],
    )


def reassess(folder: Path, *arguments: str) -> dict[str, Any]:
    ran = CliRunner().invoke(app, ["reassess", "--data-dir", str(folder), "--json", *arguments])
    assert ran.exit_code == 0, ran.output
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def test_reports_of_images_that_a_fault_left_unassessed_are_corrected(
    tmp_path: Path, samples: Path, archive: Archive
) -> None:
    files = []
    for number in range(3):
        ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.{number + 1}")
        files.append(tmp_path / f"{number}.dcm")
        ds.save_as(files[-1])
    folder = tmp_path / "node"

    def reports() -> list[pydicom.Dataset]:
        return [ds for ds in archive.held() if ds.Modality == "SR"]

    # Enough for the test image of the node, so that the fault is not taken for one of the node.
    broken = settings_in(folder, imaging={"max_pixels": 100_000})
    with Node(broken, [parse_flag(archive.flag)]) as node:
        assert store(node.dicom_port, *files) == [0x0000] * 3
        wait_until(lambda: len(reports()) == 3)
    wrong = {ds.SOPInstanceUID for ds in reports()}
    with Node(settings_in(folder), [parse_flag(archive.flag)]):
        chosen = ("--verdict", "not_assessed", "--because", "could not be decoded")
        planned = reassess(folder, *chosen)
        assert (len(planned["candidates"]), planned["queued"], planned["dry_run"]) == (3, 0, True)
        assert reassess(folder, *chosen, "--yes")["queued"] == 3
        wait_until(lambda: len(reports()) == 6)
    corrected = [ds for ds in reports() if ds.SOPInstanceUID not in wrong]
    named = [
        item.ReferencedSOPInstanceUID
        for ds in corrected
        for series in ds.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]
    assert sorted(named) == sorted(wrong)
    assert all("could not be decoded" not in str(ds) for ds in corrected)
    if "ORTHANC" in archive.flag and not missing_tools():
        for report in corrected:
            report.save_as(tmp_path / "corrected.dcm", enforce_file_format=True)
            assert errors(tmp_path / "corrected.dcm") == []
