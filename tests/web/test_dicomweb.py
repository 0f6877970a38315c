"""QIDO-RS and WADO-RS over a socket with dicomweb-client: results are found and come back byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.uid import UID, Comprehensive3DSRStorage

from miqa_node.settings import load_settings
from miqa_node.web.app import create_app
from miqa_node.web.server import WebServer
from tests.unit.deliver.making import as_file, report
from tests.web.staging import Stage


@pytest.fixture
def web(stage: Stage, tmp_path: Path) -> Iterator[str]:
    for number in (1, 2):
        stage.add(number)
        ds = report(Comprehensive3DSRStorage)
        ds.SOPInstanceUID, ds.StudyInstanceUID = f"2.25.{number}", f"1.2.3.{number}"
        ds.SeriesInstanceUID, ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.9.{number}", UID(f"2.25.{number}")
        ds.SpecificCharacterSet, ds.PatientName, ds.PatientID = "ISO_IR 100", "Müller^Jörg", f"PID{number}"
        ds.EncapsulatedDocument = b"\0" * 5000
        stage.services.objects.put(f"results/aa/{number}.dcm", as_file(ds)[2])
    settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0})
    server = WebServer(create_app(replace(stage.services, settings=settings)), settings.web)
    server.start()
    yield f"http://127.0.0.1:{server.port}/api/dicom-web"
    server.stop()


def test_studies_series_and_instances_are_found(web: str) -> None:
    client = DICOMwebClient(web)
    studies = client.search_for_studies()
    assert {study["0020000D"]["Value"][0] for study in studies} == {"1.2.3.1", "1.2.3.2"}
    assert studies[0]["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert (studies[0]["00080061"]["Value"], studies[0]["00201208"]["Value"]) == (["SR"], [1])
    (series,) = client.search_for_series("1.2.3.1")
    assert (series["0020000E"]["Value"], series["00080060"]["Value"]) == (["1.2.9.1"], ["SR"])
    (instance,) = client.search_for_instances("1.2.3.1", "1.2.9.1")
    assert instance["00080018"]["Value"] == ["2.25.1"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"PatientID": "PID2"}, {"2.25.2"}),
        ({"PatientID": "PID*"}, {"2.25.1", "2.25.2"}),
        ({"PatientID": "P%"}, set()),
        ({"AccessionNumber": "ACC1"}, {"2.25.1"}),
        ({"StudyDate": "20261101-20261130"}, {"2.25.1", "2.25.2"}),
        ({"StudyDate": "-20251231"}, set()),
        ({"0020000D": "1.2.3.1"}, {"2.25.1"}),
        ({"ReferencedSOPInstanceUID": "1.2.3.4.5.2"}, {"2.25.2"}),
        ({"Modality": "SR"}, {"2.25.1", "2.25.2"}),
        ({"Modality": "SEG"}, set()),
        ({"SOPInstanceUID": "2.25.1,2.25.2"}, {"2.25.1", "2.25.2"}),
        ({"SeriesInstanceUID": "1.2.9.2"}, {"2.25.2"}),
    ],
)
def test_filters(web: str, filters: dict[str, str], found: set[str]) -> None:
    matches = DICOMwebClient(web).search_for_instances(search_filters=filters)
    assert {match["00080018"]["Value"][0] for match in matches} == found


def test_pages_and_what_is_not_looked_at(web: str) -> None:
    client = DICOMwebClient(web)
    pages = [client.search_for_instances(limit=1, offset=offset) for offset in (0, 1, 2)]
    assert [len(page) for page in pages] == [1, 1, 0]
    assert pages[0] != pages[1]
    answer = httpx2.get(f"{web}/studies", params={"PatientName": "M*", "limit": "2"}, trust_env=False)
    assert "PatientName" in answer.headers["warning"]
    assert httpx2.get(f"{web}/studies", params={"limit": "x"}, trust_env=False).status_code == 400
    assert httpx2.get(f"{web}/studies", params={"StudyInstanceUID": "x"}, trust_env=False).status_code == 400


def test_objects_come_back_byte_for_byte(web: str, stage: Stage) -> None:
    client = DICOMwebClient(web)
    kept = stage.services.objects.get("results/aa/1.dcm")
    assert client.retrieve_instance("1.2.3.1", "1.2.9.1", "2.25.1") == dcmread(BytesIO(kept))
    raw = httpx2.get(f"{web}/studies/1.2.3.1", trust_env=False)
    assert kept in raw.content
    assert [ds.SOPInstanceUID for ds in client.retrieve_series("1.2.3.2", "1.2.9.2")] == ["2.25.2"]
    for place in ("studies/9.9", "studies/1.2.3.1/series/9.9", "studies/1.2.3.1/series/1.2.9.1/instances/9.9"):
        assert httpx2.get(f"{web}/{place}", trust_env=False).status_code == 404


def test_headers_come_as_json_with_long_values_by_reference(web: str) -> None:
    (header,) = DICOMwebClient(web).retrieve_study_metadata("1.2.3.1")
    assert header["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert header["00420011"]["BulkDataURI"].endswith("/instances/2.25.1")
    assert header["00080005"]["Value"] == ["ISO_IR 192"]
