"""What the node made is found where others look: findscu and QIDO-RS in the archive, and QIDO-RS at the node itself."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from io import BytesIO

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from demo.samples import make_samples
from miqa_node.core.domain.finding import FindingName
from miqa_node.node import Node
from miqa_node.stages.deliver.kinds.base import split_file
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_selftest.radiographs import SampleImage
from tests.node.test_node import settings_in
from tests.peers.orthanc import Orthanc
from tests.peers.test_receive_peers import dcmtk
from tests.waiting import wait_until

pytestmark = pytest.mark.peers

MADE = {"SR", "SEG", "KO"}
SEEN = re.compile(r"^I: \(([0-9a-f]{4},[0-9a-f]{4})\) \S\S \[([^\]]*)\]", re.MULTILINE)
MODALITY, SERIES, INSTANCE, DESCRIPTION = "0008,0060", "0020,000e", "0008,0018", "0008,103e"


@pytest.fixture(scope="module")
def archive(orthanc_of_the_worker: Orthanc) -> Orthanc:
    orthanc_of_the_worker.forget()
    return orthanc_of_the_worker


@pytest.fixture(scope="module")
def sample() -> SampleImage:
    """A chest radiograph with a foreign object: flagged, with a place for its segmentation."""
    return next(one for one in make_samples() if one.simulated == FindingName.FOREIGN_OBJECT)


@pytest.fixture(scope="module")
def node(archive: Orthanc, sample: SampleImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has judged the sample, which DCMTK sent, and whose results are in the archive beside the original."""
    folder = tmp_path_factory.mktemp("node")
    archive.call("/instances", sample.data)
    destination = CStoreConfig(name="ORTHANC", ae_title="ORTHANC", host="127.0.0.1", port=archive.dicom_port)
    with Node(settings_in(folder), [destination]) as node:
        (folder / "sample.dcm").write_bytes(sample.data)
        sent = dcmtk("storescu", "-aec", "MIQA", "127.0.0.1", node.dicom_port, folder / "sample.dcm")
        assert sent.returncode == 0, sent.stderr
        assert wait_until(lambda: len(archive.call("/instances")) == 1 + len(MADE), 120)
        yield node


def found(archive: Orthanc, level: str, **keys: str) -> list[dict[str, str]]:
    """What findscu prints of each answer, by tag."""
    options = [text for key, value in keys.items() for text in ("-k", f"{key}={value}")]
    ran = dcmtk("findscu", "-S", "-v", "-aec", "ORTHANC", "-k", f"QueryRetrieveLevel={level}", *options, "127.0.0.1",
                archive.dicom_port)  # fmt: skip
    output = ran.stdout + ran.stderr
    assert ran.returncode == 0, output
    assert "\nE: " not in output, output
    answers = [dict(SEEN.findall(answer)) for answer in output.split("Find Response")[1:]]
    return [{tag: value.strip(" \0") for tag, value in answer.items()} for answer in answers if answer]


def test_findscu_finds_each_series_of_results_by_the_study(archive: Orthanc, node: Node, sample: SampleImage) -> None:
    study = {"StudyInstanceUID": sample.study_instance_uid}
    keys = {"Modality": "", "SeriesInstanceUID": "", "SeriesDescription": ""}
    series = {one[MODALITY]: one for one in found(archive, "SERIES", **study, **keys)}
    assert set(series) - {"CR", "DX"} == MADE
    assert len(series) == len(MADE) + 1, "the results are in the study of the image"
    assert series["SEG"][DESCRIPTION] == "Quality findings"
    (report,) = found(archive, "SERIES", **study, Modality="SR", SeriesInstanceUID="")
    (instance,) = found(archive, "IMAGE", **study, SeriesInstanceUID=report[SERIES], SOPInstanceUID="")
    path = next(
        dcmread(BytesIO(archive.file(one)))
        for one in archive.call("/instances")
        if archive.call(f"/instances/{one}/tags?simplify")["Modality"] == "SR"
    )
    assert instance[INSTANCE] == path.SOPInstanceUID
    assert found(archive, "SERIES", StudyInstanceUID="1.2.3.4", Modality="") == [], "a study that is not there"


def test_qido_of_the_archive_and_of_the_node_agree(archive: Orthanc, node: Node, sample: SampleImage) -> None:
    study = sample.study_instance_uid
    there = DICOMwebClient(f"http://127.0.0.1:{archive.http_port}/dicom-web")
    here = DICOMwebClient(f"http://127.0.0.1:{node.web_port}/api/dicom-web")
    for modality in MADE:
        (series,) = there.search_for_series(study, search_filters={"Modality": modality})
        (own,) = here.search_for_series(study, search_filters={"Modality": modality})
        assert series["0020000E"]["Value"] == own["0020000E"]["Value"]
        (uid,) = series["0020000E"]["Value"]
        instances = [client.search_for_instances(study, uid) for client in (there, here)]
        assert [one["00080018"]["Value"] for one in instances[0]] == [one["00080018"]["Value"] for one in instances[1]]


def test_results_are_found_by_the_image_that_they_are_about(node: Node, sample: SampleImage) -> None:
    client = DICOMwebClient(f"http://127.0.0.1:{node.web_port}/api/dicom-web")
    about = client.search_for_instances(search_filters={"ReferencedSOPInstanceUID": sample.sop_instance_uid})
    assert {one["00080060"]["Value"][0] for one in about} == MADE
    (report,) = [one for one in about if one["00080060"]["Value"] == ["SR"]]
    uids = (report[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    assert client.retrieve_instance(*uids).Modality == "SR"


def test_orthanc_asks_the_node_and_retrieves_what_it_found(archive: Orthanc, node: Node, sample: SampleImage) -> None:
    """By its own DICOMweb client: QIDO-RS for what there is, WADO-RS for an object that it has lost."""
    address = {"Url": f"http://127.0.0.1:{node.web_port}/api/dicom-web"}
    put = urllib.request.Request(
        f"http://127.0.0.1:{archive.http_port}/dicom-web/servers/node", json.dumps(address).encode(), method="PUT"
    )
    urllib.request.urlopen(put, timeout=10).close()
    study = sample.study_instance_uid
    series = archive.call("/dicom-web/servers/node/qido", {"Uri": f"/studies/{study}/series"})
    assert {one["00080060"]["Value"] for one in series} == MADE | {"CR"}, "results, and the image while it is kept"
    lost = next(
        one for one in archive.call("/instances") if archive.call(f"/instances/{one}/tags?simplify")["Modality"] == "SR"
    )
    before = archive.file(lost)
    delete = urllib.request.Request(f"http://127.0.0.1:{archive.http_port}/instances/{lost}", method="DELETE")
    urllib.request.urlopen(delete, timeout=10).close()
    assert len(archive.call("/instances")) == len(MADE)
    archive.call("/dicom-web/servers/node/retrieve", {"Resources": [{"Study": study}], "Synchronous": True})
    assert split_file(archive.file(lost))[1] == split_file(before)[1], "the data set, byte for byte"
