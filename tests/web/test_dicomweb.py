"""QIDO-RS and WADO-RS over a socket with dicomweb-client: results are found and come back byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
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
        ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20261120", ("093000", "1030")[number - 1], f"ACC{number}"
        ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = f"S{number}", 7, number
        ds.ReferringPhysicianName, ds.InstitutionName = "Curie^Marie", "Klinik"
        if number == 1:
            ds.PerformedProcedureStepStartDate = "20261120"
        else:
            ds.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
            ds.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
            ds.RequestAttributesSequence = [Dataset(), Dataset()]
            for step, item in enumerate(ds.RequestAttributesSequence, 1):
                item.ScheduledProcedureStepID, item.RequestedProcedureID = f"STEP{step}", "RP1"
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
    names = {study["00100020"]["Value"][0]: study["00100010"]["Value"][0] for study in studies}
    assert names["PID1"] == {"Alphabetic": "Müller^Jörg"}
    assert names["PID2"] == {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    assert (studies[0]["00080061"]["Value"], studies[0]["00201208"]["Value"]) == (["SR"], [1])
    (series,) = client.search_for_series("1.2.3.1")
    assert (series["0020000E"]["Value"], series["00080060"]["Value"]) == (["1.2.9.1"], ["SR"])
    (instance,) = client.search_for_instances("1.2.3.1", "1.2.9.1")
    assert instance["00080018"]["Value"] == ["2.25.1"]


FILTERS: list[tuple[dict[str, str], set[str]]] = [
    ({"PatientID": "PID2"}, {"2.25.2"}),
    ({"PatientID": "PID*"}, {"2.25.1", "2.25.2"}),
    ({"PatientID": "P%"}, set()),
    ({"PatientID": "pid1"}, set()),
    ({"AccessionNumber": "ACC1"}, {"2.25.1"}),
    ({"StudyDate": "20261101-20261130"}, {"2.25.1", "2.25.2"}),
    ({"StudyDate": "20261101"}, set()),
    ({"StudyDate": "-20251231"}, set()),
    ({"StudyTime": "09"}, {"2.25.1"}),
    ({"StudyTime": "0930-"}, {"2.25.1", "2.25.2"}),
    ({"StudyTime": "-1020"}, {"2.25.1"}),
    ({"StudyDate": "20261120", "StudyTime": "10-11"}, {"2.25.2"}),
    ({"0020000D": "1.2.3.1"}, {"2.25.1"}),
    ({"ReferencedSOPInstanceUID": "1.2.3.4.5.2"}, {"2.25.2"}),
    ({"Modality": "SR"}, {"2.25.1", "2.25.2"}),
    ({"Modality": "SEG"}, set()),
    ({"SOPInstanceUID": "2.25.1,2.25.2"}, {"2.25.1", "2.25.2"}),
    ({"SOPInstanceUID": "2.25.1\\2.25.9"}, {"2.25.1"}),
    ({"SeriesInstanceUID": "1.2.9.2"}, {"2.25.2"}),
    ({"PatientName": "müller^*"}, {"2.25.1"}),
    ({"PatientName": "Müller^Jörg^^"}, {"2.25.1"}),
    ({"PatientName": "Müller"}, set()),
    ({"PatientName": "山田*"}, {"2.25.2"}),
    ({"PatientName": "やまだ^?ろう"}, {"2.25.2"}),
    ({"PatientName": "Yam*=山田^太郎"}, {"2.25.2"}),
    ({"PatientName": "Yam*=鈴木*"}, set()),
    ({"PatientName": "Y*郎"}, set()),
    ({"ReferringPhysicianName": "curie*"}, {"2.25.1", "2.25.2"}),
    ({"SeriesNumber": "07"}, {"2.25.1", "2.25.2"}),
    ({"SeriesNumber": "8"}, set()),
    ({"InstanceNumber": "2"}, {"2.25.2"}),
    ({"StudyID": "S1"}, {"2.25.1"}),
    ({"ModalitiesInStudy": "SR"}, {"2.25.1", "2.25.2"}),
    ({"ModalitiesInStudy": "CT,S?"}, {"2.25.1", "2.25.2"}),
    ({"RequestAttributesSequence.ScheduledProcedureStepID": "STEP2"}, {"2.25.2"}),
    ({"00400275.00401001": "RP?"}, {"2.25.2"}),
    ({"PerformedProcedureStepStartDate": "20261120-"}, {"2.25.1"}),
    ({"PatientName": "*"}, {"2.25.1", "2.25.2"}),
]
NOBODY = [
    "PatientName=ZZZZ*",
    "ModalitiesInStudy=XX",
    "Modality=NONSENSE",
    "StudyID=NOPE",
    "ReferringPhysicianName=NOBODY*",
    "SeriesInstanceUID=1.2.3",
    "PatientBirthDate=19000101",
]
REFUSED = [
    "limit=x",
    "offset=-1",
    "StudyInstanceUID=x",
    "PatinetName=Doe*",
    "StudyDate=2026",
    "StudyDate=-",
    "StudyTime=25",
    "SeriesNumber=1e3",
    "PatientID=a&PatientID=b",
    "PatientName=a=b=c=d",
]


def test_filters(web: str) -> None:
    client = DICOMwebClient(web)
    for filters, found in FILTERS:
        matches = client.search_for_instances(search_filters=filters)
        assert {match["00080018"]["Value"][0] for match in matches} == found, filters


def test_nobody_elses_studies_are_in_the_answer(web: str) -> None:
    for place in ("studies", "series", "instances"):
        for query in NOBODY:
            answer = httpx2.get(f"{web}/{place}?{query}", trust_env=False)
            assert (answer.status_code, answer.content) == (204, b""), (place, query)


def test_what_cannot_be_matched_is_refused(web: str) -> None:
    for query in REFUSED:
        answer = httpx2.get(f"{web}/studies?{query}", trust_env=False)
        assert answer.status_code == 400, (query, answer.text)
    assert httpx2.get(f"{web}/studies/1.2.3.1/series?StudyInstanceUID=1.2.3.2", trust_env=False).status_code == 400


def test_pages_counts_and_what_is_not_looked_at(web: str) -> None:
    client = DICOMwebClient(web)
    pages = [client.search_for_instances(limit=1, offset=offset) for offset in (0, 1, 2)]
    assert [len(page) for page in pages] == [1, 1, 0]
    assert pages[0] != pages[1]
    query = {"InstitutionName": "A*", "limit": "1", "fuzzymatching": "true"}
    answer = httpx2.get(f"{web}/studies", params=query, trust_env=False)
    for text in ("InstitutionName", "There are 1 additional results", "Only literal matching"):
        assert text in answer.headers["warning"]
    assert "warning" not in httpx2.get(f"{web}/studies", params={"limit": "2"}, trust_env=False).headers


def test_further_fields_are_in_the_answer_when_asked_for(web: str) -> None:
    client = DICOMwebClient(web)
    [plain] = client.search_for_studies(search_filters={"StudyID": "S1"})
    assert "00080080" not in plain
    for fields in (["InstitutionName"], ["00080080", "00081070"], ["all"]):
        [study] = client.search_for_studies(fields=fields, search_filters={"StudyID": "S1"})
        assert study["00080080"]["Value"] == ["Klinik"]
        assert study["00201208"]["Value"] == [1]
    answer = httpx2.get(f"{web}/studies?includefield=Nothing", trust_env=False)
    assert "includefield" in answer.headers["warning"]


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
