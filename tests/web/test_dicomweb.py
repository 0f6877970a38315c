"""QIDO-RS and WADO-RS over a socket with dicomweb-client: results are found and come back byte for byte."""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import httpx2
import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from miqa_node.domain.delivery import ResultKind, ResultObject
from miqa_node.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.imaging.decode import Decoder
from miqa_node.imaging.encode import encode_frame
from miqa_node.imaging.headers import read_header
from miqa_node.report.pixels import add_encapsulated
from miqa_node.settings import load_settings
from miqa_node.store import deliveries, instances
from tests.pictures import picture_pixels
from tests.unit.deliver.making import as_file, report
from tests.web.serving import serving
from tests.web.staging import NOW, Stage


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
    settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0, "cors_origins": ["https://viewer.example"]})
    with serving(replace(stage.services, settings=settings), settings.web) as address:
        yield f"{address}/api/dicom-web"


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize("path", ["", "/metadata", "/frames/1"])
def test_what_a_client_has_already_is_not_sent_again(web: str, path: str) -> None:
    at = f"{web}/studies/1.2.3.2/series/1.2.9.2/instances/2.25.3{path}"
    first = httpx2.get(at)
    assert first.status_code == 200
    again = httpx2.get(at, headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = httpx2.get(at, headers={"if-none-match": first.headers["etag"], "accept": "*/*;q=0.9"})
    assert other.status_code == 200


@pytest.mark.slow
def test_pages_of_a_listed_origin_may_read_and_others_may_not(web: str) -> None:
    """A viewer that is served from elsewhere asks first (preflight), and reads with a token of its own."""
    asking = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    allowed = httpx2.options(f"{web}/studies", headers={"origin": "https://viewer.example", **asking})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "https://viewer.example"
    assert allowed.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    answer = httpx2.get(f"{web}/studies", headers={"origin": "https://viewer.example"})
    assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
    assert "Origin" in answer.headers["vary"]
    for method in ("GET", "OPTIONS"):
        other = httpx2.request(method, f"{web}/studies", headers={"origin": "https://evil.example", **asking})
        assert not [name for name in other.headers if name.startswith("access-control-")]
    api = httpx2.get(f"{web.removesuffix('/dicom-web')}/v1/worklist", headers={"origin": "https://viewer.example"})
    assert "access-control-allow-origin" not in api.headers


def test_options_name_the_methods(web: str) -> None:
    answer = httpx2.options(f"{web}/studies")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    answer = httpx2.options(f"{web}/studies/1.2.3.1/series")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/studies", "/studies/1.2.3.1/metadata", "/studies/1.2.3.1", "/"])
def test_head_is_get_without_a_body(web: str, path: str) -> None:
    full, head = httpx2.get(web + path), httpx2.head(web + path)
    assert (full.status_code, head.status_code, head.content) == (200, 200, b"")
    assert full.content
    for name in ("content-type", "etag"):
        if "boundary" not in full.headers.get(name, ""):
            assert head.headers.get(name) == full.headers.get(name)
    assert httpx2.head(f"{web}/studies/1.2.3.99").status_code == 404


@pytest.mark.slow
def test_capabilities_name_every_resource(web: str) -> None:
    """PS3.18 8.9: OPTIONS of the service's address, as WADL or JSON; GET gives the same."""
    wadl = httpx2.options(f"{web}/", headers={"accept": "application/vnd.sun.wadl+xml"})
    assert (wadl.status_code, wadl.headers["content-type"]) == (200, "application/vnd.sun.wadl+xml")
    assert httpx2.options(web).content == httpx2.get(f"{web}/").content == wadl.content
    (resources,) = ET.fromstring(wadl.content)
    assert resources.get("base") == f"{web}/"
    paths = {resource.get("path"): {method.get("name") for method in resource} for resource in resources}
    assert paths["studies"] == {"GET", "POST"}
    assert paths["studies/{study_uid}/series/{series_uid}/instances/{instance_uid}/frames/{frames}"] == {"GET"}
    document = httpx2.options(f"{web}/", headers={"accept": "application/json"}).json()
    assert {one["path"] for one in document} == set(paths)
    assert httpx2.options(f"{web}/", headers={"accept": "text/plain"}).status_code == 406
    for one in document:
        address = re.sub(r"\{[a-z_]+\}", "1", one["path"])
        if one["method"] == "GET":
            assert httpx2.get(f"{web}/{address}").status_code != 405, one


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
    "StudyInstanceUID=1.2*",
    "PatinetName=Doe*",
    "StudyDate=2026",
    "StudyDate=-",
    "StudyTime=25",
    "SeriesNumber=1e3",
    "PatientID=a&PatientID=b",
    "PatientName=a=b=c=d",
]


@pytest.mark.slow
def test_filters(web: str) -> None:
    client = DICOMwebClient(web)
    for filters, result in FILTERS:
        matches = client.search_for_instances(search_filters=filters)
        assert {match["00080018"]["Value"][0] for match in matches} == result, filters


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
    record = stage.services.objects.get("results/aa/1.dcm")
    assert client.retrieve_instance("1.2.3.1", "1.2.9.1", "2.25.1") == dcmread(BytesIO(record))
    raw = httpx2.get(f"{web}/studies/1.2.3.1", trust_env=False)
    assert record in raw.content
    assert [ds.SOPInstanceUID for ds in client.retrieve_series("1.2.3.2", "1.2.9.2")] == ["2.25.2"]
    for place in ("studies/9.9", "studies/1.2.3.1/series/9.9", "studies/1.2.3.1/series/1.2.9.1/instances/9.9"):
        assert httpx2.get(f"{web}/{place}", trust_env=False).status_code == 404


@pytest.fixture
def picture(web: str, stage: Stage) -> Dataset:
    """Result 2.25.3 is a picture in colour, in RLE."""
    ds = dcmread(BytesIO(stage.services.objects.get("results/aa/2.dcm")))
    pixels = np.random.default_rng(5).integers(0, 255, (40, 30, 3), np.uint8)
    del ds.EncapsulatedDocument
    ds.SOPClassUID, ds.Modality = SecondaryCaptureImageStorage, "OT"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("2.25.3")
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 40, 30, 3, 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PhotometricInterpretation = "RGB"
    add_encapsulated(ds, [pixels], RLELossless, encode_frame)
    ds.file_meta.TransferSyntaxUID = RLELossless
    stage.services.objects.put("results/aa/3.dcm", as_file(ds)[2])
    with stage.services.database.begin() as transaction:
        result = ResultObject("2.25.3", ds.SOPClassUID, ResultKind("SC_RLE"), "results/aa/3.dcm")
        deliveries.record_result(transaction, InstanceDigest(hashlib.sha256(b"2").hexdigest()), result, NOW)
    return ds


def test_an_object_comes_in_the_syntax_that_is_accepted(web: str, picture: Dataset) -> None:
    place = f"{web}/studies/1.2.3.2/series/1.2.9.2/instances/2.25.3"

    def syntax(accept: str) -> str:
        answer = httpx2.get(place, headers={"accept": accept}, trust_env=False)
        if answer.status_code != 200:
            return str(answer.status_code)
        body = answer.content
        return str(dcmread(BytesIO(body[body.index(b"DICM") - 128 :])).file_meta.TransferSyntaxUID)

    related = 'multipart/related; type="application/dicom"'
    for accept in ("*/*", related, "application/dicom", f"{related}; transfer-syntax=1.2.840.10008.1.2.1"):
        assert syntax(accept) == ExplicitVRLittleEndian, accept
    for accept in (f"{related}; transfer-syntax=*", f"{related};transfer-syntax={RLELossless}"):
        assert syntax(accept) == RLELossless, accept
    refused = (
        "application/octet-stream",
        "application/dicom+xml",
        f"{related}; transfer-syntax=1.2.840.10008.1.2.4.70",
    )
    assert [syntax(accept) for accept in refused] == ["406"] * 3
    xml = 'multipart/related; type="application/dicom+xml"'
    assert httpx2.get(f"{place}/metadata", headers={"accept": xml}, trust_env=False).status_code == 406


def test_frames_and_bulk_data(web: str, picture: Dataset) -> None:
    client, uids = DICOMwebClient(web), ("1.2.3.2", "1.2.9.2", "2.25.3")
    (frame,) = client.retrieve_instance_frames(*uids, frame_numbers=[1])
    assert frame == picture.pixel_array.tobytes()
    place = f"{web}/studies/1.2.3.2/series/1.2.9.2/instances/2.25.3"
    any_syntax = {"accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
    record = httpx2.get(f"{place}/frames/1", headers=any_syntax, trust_env=False).content
    assert next(generate_frames(picture.PixelData, number_of_frames=1)) in record
    assert httpx2.get(f"{place}/frames/2", trust_env=False).status_code == 404
    assert httpx2.get(f"{place}/frames/1/rendered", headers={"accept": "image/gif"}, trust_env=False).status_code == 406
    # Not by the client, whose Host header lacks the port of the addresses to come.
    (header,) = httpx2.get(f"{web}/studies/1.2.3.1/metadata", trust_env=False).json()
    assert client.retrieve_bulkdata(header["00420011"]["BulkDataURI"]) == [b"\0" * 5000]
    assert httpx2.get(header["00420011"]["BulkDataURI"], trust_env=False).content == b"\0" * 5000
    (header,) = (one for one in client.retrieve_study_metadata("1.2.3.2") if one["00080018"]["Value"] == ["2.25.3"])
    assert header["7FE00010"]["BulkDataURI"].endswith("/instances/2.25.3/frames")


def test_rendered_and_thumbnail(stage: Stage, tmp_path: Path, web: str, picture: Dataset) -> None:
    settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0})
    with Decoder(settings) as decoder:
        services = replace(stage.services, settings=settings, decode_frame=decoder.decode)
        with serving(services, settings.web) as address:
            place = f"{address}/api/dicom-web/studies/1.2.3.2/series/1.2.9.2/instances/2.25.3"
            png = httpx2.get(f"{place}/rendered", headers={"accept": "image/png"}, trust_env=False, timeout=30)
            small = httpx2.get(f"{place}/thumbnail", trust_env=False, timeout=30)
            fitted = httpx2.get(f"{place}/frames/1/rendered?viewport=10,10", trust_env=False, timeout=30)
    shown = cv2.cvtColor(picture_pixels(png.content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.abs(shown.astype(int) - picture.pixel_array.astype(int)).max() <= 1
    assert (small.headers["content-type"], small.status_code) == ("image/jpeg", 200)
    assert picture_pixels(fitted.content, cv2.IMREAD_COLOR).shape == (10, 8, 3)


def test_headers_come_as_json_with_long_values_by_reference(web: str) -> None:
    (header,) = DICOMwebClient(web).retrieve_study_metadata("1.2.3.1")
    assert header["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert header["00420011"]["BulkDataURI"].endswith("/instances/2.25.1/bulkdata/00420011")
    assert header["00080005"]["Value"] == ["ISO_IR 192"]


SOURCES = (
    "RG3_UNCR",
    "RG3_J2KR",
    "SC_rgb_jpeg_dcmtk",
    "OBXXXX1A_rle_2frame",
    "MR_small_bigendian",
    "MR_small_implicit",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_received_images_are_served_as_they_came(stage: Stage, web: str, tmp_path: Path, name: str) -> None:
    """Found, header, file, and each frame equal to what pydicom decodes."""
    source = get_testdata_file(f"{name}.dcm")
    if not isinstance(source, str):
        pytest.skip("not among the samples of this version of pydicom")
    keep_source(stage, Path(source))
    ds = dcmread(source)
    client = DICOMwebClient(web)
    uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    [result] = client.search_for_instances(search_filters={"SOPInstanceUID": ds.SOPInstanceUID})
    assert result["0020000D"]["Value"] == [ds.StudyInstanceUID]
    [study] = client.search_for_studies(search_filters={"PatientID": ds.PatientID, "ModalitiesInStudy": ds.Modality})
    assert study["00201208"]["Value"] == [1]
    header = client.retrieve_instance_metadata(*uids)
    assert header["00280010"]["Value"] == [ds.Rows]
    record = client.retrieve_instance(*uids, media_types=(("application/dicom", "*"),))
    assert (record.SOPInstanceUID, record.PixelData) == (ds.SOPInstanceUID, ds.PixelData)
    frames = int(ds.get("NumberOfFrames") or 1)
    pixels = ds.pixel_array if frames > 1 else ds.pixel_array[np.newaxis]
    at = f"{web}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/frames/{frames}"
    answer = httpx2.get(at, headers={"accept": 'multipart/related; type="application/octet-stream"'}, trust_env=False)
    assert answer.status_code == 200
    raw = answer.content.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    assert raw == np.ascontiguousarray(pixels[-1]).astype(pixels.dtype.newbyteorder("<")).tobytes()
    for plain in (
        client.retrieve_instance(*uids, media_types=(("application/dicom", str(ExplicitVRLittleEndian)),)),
        *client.retrieve_study(uids[0]),
    ):
        assert plain.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert np.array_equal(plain.pixel_array, ds.pixel_array)


def keep_source(stage: Stage, path: Path) -> None:
    """Receive a file."""
    header, study = read_header(path)
    digest = InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest())
    stage.services.objects.put(f"instances/{digest}.dcm", path.read_bytes())
    origin = ReceivedObject("", digest, path.stat().st_size, "CR1", "MIQA", "127.0.0.1", NOW)
    with stage.services.database.begin() as transaction:
        instances.record(transaction, header, study, origin, f"instances/{digest}.dcm")
