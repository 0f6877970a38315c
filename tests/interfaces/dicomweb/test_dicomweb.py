"""QIDO-RS and WADO-RS over a socket with dicomweb-client: results are found and come back byte for byte."""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import cv2
import httpx2
import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.encode import encode_frame
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.report.pixels import add_encapsulated
from miqa_node.stages.units.rows import instances
from tests.damage import replace_element
from tests.pictures import picture_pixels
from tests.stages.deliver.making import as_file, report
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


@pytest.mark.parametrize("kept_bytes", [None, 0, 200])
def test_a_lost_or_damaged_object_does_not_keep_the_others_from_a_search(
    stage: Stage, web: str, kept_bytes: int | None
) -> None:
    assert httpx2.get(f"{web}/studies").status_code == 200
    objects, key = stage.services.objects, "results/aa/1.dcm"
    if kept_bytes is None:
        objects.delete([key])
    else:
        objects.replace(key, objects.get(key)[:kept_bytes])
    for level, tag in (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018")):
        both = httpx2.get(f"{web}/{level}").json()
        uids = {"0020000D": "1.2.3.", "0020000E": "1.2.9.", "00080018": "2.25."}[tag]
        assert {one[tag]["Value"][0] for one in both} == {f"{uids}{number}" for number in (1, 2)}
        states = {one[tag]["Value"][0][-1]: one["00080056"]["Value"][0] for one in both}
        assert states == {"1": "ONLINE" if kept_bytes else "UNAVAILABLE", "2": "ONLINE"}


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize("damage", [b"", b"\0" * 5000, b"\0" * 128 + b"DICM"])
def test_an_object_whose_file_is_damaged_is_not_found(stage: Stage, web: str, damage: bytes) -> None:
    study = f"{web}/studies/1.2.3.2"
    series = f"{study}/series/1.2.9.2"
    instance = f"{series}/instances/2.25.3"
    assert httpx2.get(instance).status_code == 200
    stage.services.objects.replace("results/aa/3.dcm", damage)
    for one in (study, series, instance, f"{instance}/frames", f"{instance}/frames/1", f"{instance}/bulkdata/7FE00010"):
        assert httpx2.get(one).status_code == 404, one
    for one in (study, series, instance):
        status = httpx2.get(f"{one}/metadata").status_code
        assert status == (200 if b"DICM" in damage else 404), one
    assert httpx2.get(f"{web}/studies/1.2.3.1").status_code == 200


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


REFUSED = [
    "limit=x",
    "offset=-1",
    "StudyInstanceUID=1.2*",
    "PatinetName=Doe*",
    "=Doe*",
    ".=Doe*",
    "StudyDate=2026",
    "StudyDate=-",
    "StudyTime=25",
    "SeriesNumber=1e3",
    "PatientID=a&PatientID=b",
    "PatientName=a=b=c=d",
    "PatientName=%00",
    "PatientName=%0A",
    "PatientName=M%00*",
    "PatientID=%1F",
    "AccessionNumber=ACC1%00",
]


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


@pytest.mark.parametrize("place", ["studies", "series", "instances", "studies/1.2.3.1/metadata"])
def test_an_answer_in_xml_is_not_given_as_json(web: str, place: str) -> None:
    for accept in ('multipart/related; type="application/dicom+xml"', "application/dicom+xml", "text/html"):
        assert httpx2.get(f"{web}/{place}", headers={"accept": accept}, trust_env=False).status_code == 406
    for accept in ("application/dicom+json", "application/json", "application/*", "text/html, */*;q=0.1"):
        assert httpx2.get(f"{web}/{place}", headers={"accept": accept}, trust_env=False).status_code == 200


def test_a_media_type_of_quality_zero_is_not_given(web: str) -> None:
    json, octets = "application/dicom+json", f"{web}/studies/1.2.3.1/series/1.2.9.1/instances/2.25.1/bulkdata/00420011"
    for place, accept, status in (
        (f"{web}/studies", f"{json};q=0, */*", 406),
        (f"{web}/studies", f"{json};q=0, application/json", 406),
        (f"{web}/studies", "application/*;q=0, */*;q=0.5", 406),
        (f"{web}/studies", f"application/*;q=0, {json}", 200),
        (f"{web}/studies", "*/*;q=0, application/json", 200),
        (f"{web}/studies", "text/html;q=0, */*", 200),
        (octets, "application/octet-stream;q=0.0, */*", 406),
        (octets, "image/jpeg;q=0, */*", 200),
    ):
        assert httpx2.get(place, headers={"accept": accept}, trust_env=False).status_code == status, accept


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


RELATED = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'
VIDEO, PRIVATE = "1.2.840.10008.1.2.4.102", "1.2.826.0.1.3680043.10.1"


def put_beside(stage: Stage, picture: Dataset, syntax: str, pixels: bytes) -> None:
    """Result 2.25.4 beside the picture in RLE: these pixels, said to be of that syntax."""
    ds = dcmread(BytesIO(as_file(picture)[2]))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("2.25.4")
    ds.file_meta.TransferSyntaxUID, ds.PixelData = UID(syntax), pixels
    ds["PixelData"].is_undefined_length = syntax != ExplicitVRLittleEndian
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True, implicit_vr=False, little_endian=True)
    stage.services.objects.put("results/aa/4.dcm", out.getvalue())
    with stage.services.database.begin() as transaction:
        result = ResultObject("2.25.4", ds.SOPClassUID, ResultKind("SC_J2K"), "results/aa/4.dcm")
        deliveries.record_result(transaction, InstanceDigest(hashlib.sha256(b"2").hexdigest()), result, NOW)


def parts_of(answer: httpx2.Response) -> list[tuple[str, bytes]]:
    """Content type and content of each part; the body must end with its last boundary."""
    boundary = answer.headers["content-type"].split("boundary=")[1].encode()
    *parts, end = answer.content.split(b"--" + boundary)[1:]
    assert end == b"--\r\n"
    pairs = [part.removeprefix(b"\r\n").removesuffix(b"\r\n").split(b"\r\n\r\n", 1) for part in parts]
    return [(head.decode().removeprefix("Content-Type: "), body) for head, body in pairs]


@pytest.mark.parametrize("syntax", [VIDEO, PRIVATE])
def test_one_video_does_not_keep_a_study_from_its_reader(web: str, stage: Stage, picture: Dataset, syntax: str) -> None:
    """Who names no syntax gets what cannot be converted as it is kept, and everything else in the default."""
    put_beside(stage, picture, syntax, encapsulate([b"\0\0\1\xb3" * 9]))
    for accept in ("*/*", RELATED):
        answer = httpx2.get(f"{web}/studies/1.2.3.2", headers={"accept": accept}, trust_env=False)
        kinds = {
            dcmread(BytesIO(body), stop_before_pixels=True).SOPInstanceUID: kind for kind, body in parts_of(answer)
        }
        assert kinds["2.25.4"] == f"application/dicom; transfer-syntax={syntax}"
        assert kinds["2.25.3"] == f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"
    plain = {"accept": f"{RELATED}; transfer-syntax={ExplicitVRLittleEndian}"}
    assert httpx2.get(f"{web}/studies/1.2.3.2", headers=plain, trust_env=False).status_code == 406


def test_damaged_pixels_come_as_they_are_kept_or_not_at_all(web: str, stage: Stage, picture: Dataset) -> None:
    """A part never names a syntax that it is not in, and no answer breaks off."""
    put_beside(stage, picture, JPEG2000Lossless, encapsulate([b"\xff\x4f\xff\x51 no code stream "]))
    place = f"{web}/studies/1.2.3.2/series/1.2.9.2/instances/2.25.4"
    plain, octets = f"transfer-syntax={ExplicitVRLittleEndian}", OCTETS
    as_stored = f"application/dicom; transfer-syntax={JPEG2000Lossless}"
    for accept in ("*/*", RELATED, f"{RELATED}; {plain}"):
        parts = parts_of(httpx2.get(f"{web}/studies/1.2.3.2", headers={"accept": accept}, trust_env=False))
        assert max(kind for kind, _ in parts) == as_stored
        for kind, body in parts:
            assert str(dcmread(BytesIO(body)).file_meta.TransferSyntaxUID) == kind.partition("=")[2]
    for accept, result in (
        ("*/*", as_stored),
        ("application/dicom", as_stored),
        (f"{RELATED}; {plain}", 406),
        (f"application/dicom; {plain}", 406),
    ):
        answer = httpx2.get(place, headers={"accept": accept}, trust_env=False)
        if isinstance(result, int):
            assert (answer.status_code, "transfer-syntax" in answer.json()["detail"]) == (result, True)
        else:
            kind = answer.headers["content-type"]
            assert (parts_of(answer)[0][0] if kind.startswith("multipart") else kind) == result
    for accept, status in (("*/*", 406), (octets, 406), (f"{octets}; transfer-syntax=*", 200)):
        answer = httpx2.get(f"{place}/frames/1", headers={"accept": accept}, trust_env=False)
        assert answer.status_code == status, accept


def test_native_pixels_that_are_cut_off_are_refused(web: str, stage: Stage, picture: Dataset) -> None:
    put_beside(stage, picture, ExplicitVRLittleEndian, picture.pixel_array.tobytes()[:-100])
    answer = httpx2.get(f"{web}/studies/1.2.3.2/series/1.2.9.2/instances/2.25.4/frames/1", trust_env=False)
    assert (answer.status_code, "shorter" in answer.json()["detail"]) == (406, True)


@pytest.mark.parametrize("name", ["OBXXXX1A_rle_2frame", "CT_small"])
def test_a_client_can_follow_the_address_of_the_pixels(stage: Stage, web: str, name: str) -> None:
    """The BulkDataURI of Pixel Data names every frame."""
    source = get_testdata_file(f"{name}.dcm")
    if not isinstance(source, str):
        pytest.skip("not among the samples of this version of pydicom")
    keep_source(stage, Path(source))
    ds = dcmread(source)
    client = DICOMwebClient(web)
    uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    (header,) = httpx2.get(
        f"{web}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}/metadata", trust_env=False
    ).json()
    frames = client.retrieve_bulkdata(header["7FE00010"]["BulkDataURI"])
    assert len(frames) == int(ds.get("NumberOfFrames") or 1)
    assert b"".join(frames) == np.ascontiguousarray(ds.pixel_array).tobytes()


def test_rendered_and_thumbnail(stage: Stage, tmp_path: Path, web: str, picture: Dataset) -> None:
    settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0})
    with WorkerPool(settings) as pool:
        services = replace(stage.services, settings=settings, decode_frame=pool.decode)
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


def test_a_series_that_two_studies_share_is_one_of_each(stage: Stage, web: str, tmp_path: Path) -> None:
    source = get_testdata_file("CT_small.dcm")
    assert isinstance(source, str)
    ds = dcmread(source)
    series = ds.SeriesInstanceUID
    for number, study in enumerate(("1.2.5.71", "1.2.5.72", "1.2.5.72")):
        ds.StudyInstanceUID = study
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.5.70.{number}")
        ds.save_as(tmp_path / f"{number}.dcm")
        keep_source(stage, tmp_path / f"{number}.dcm")
    client = DICOMwebClient(web)
    for study, count in (("1.2.5.71", 1), ("1.2.5.72", 2)):
        [one] = client.search_for_series(study, search_filters={"SeriesInstanceUID": series})
        assert one["00201209"]["Value"] == [count]
    of_all = client.search_for_series(search_filters={"SeriesInstanceUID": series})
    assert {(one["0020000D"]["Value"][0], one["00201209"]["Value"][0]) for one in of_all} == {
        ("1.2.5.71", 1), ("1.2.5.72", 2),
    }  # fmt: skip
    pages = [httpx2.get(f"{web}/series?SeriesInstanceUID={series}&limit=1&offset={offset}") for offset in (0, 1)]
    assert [len(page.json()) for page in pages] == [1, 1]
    assert "There are 1 additional results" in pages[0].headers["warning"]


def test_each_frame_of_reduced_chrominance_is_given(stage: Stage, web: str, tmp_path: Path) -> None:
    """Uncompressed YBR_FULL_422, as ultrasound sends it, has two bytes for a pixel (PS3.3 C.7.6.3.1.2)."""
    source = get_testdata_file("SC_ybr_full_422_uncompressed.dcm")
    if not isinstance(source, str):
        pytest.skip("not among the samples of this version of pydicom")
    ds = dcmread(source)
    first, second = ds.PixelData, bytes(255 - value for value in ds.PixelData)
    ds.NumberOfFrames, ds.PixelData = 2, first + second
    ds.save_as(tmp_path / "two.dcm")
    keep_source(stage, tmp_path / "two.dcm")
    at = f"{web}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/frames/1,2"
    answer = httpx2.get(at, headers={"accept": 'multipart/related; type="application/octet-stream"'}, trust_env=False)
    assert answer.status_code == 200
    parts = answer.content.split(answer.content.split(b"\r\n", 1)[0])[1:-1]
    assert [part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for part in parts] == [first, second]


@pytest.mark.parametrize("offsets", [(0, 0), (2, 1), (1, 1 << 40), (0,)])
def test_frames_are_found_without_an_offset_table_that_is_wrong(
    stage: Stage, web: str, tmp_path: Path, offsets: tuple[int, ...]
) -> None:
    """Frames as kept and uncompressed, the object and what is assessed agree."""
    ds = dcmread(str(get_testdata_file("MR_small.dcm")))
    pixels = (ds.pixel_array >> 4).astype(np.uint8)
    pictures = [pixels, pixels[::-1].copy()]
    encoded = (encode_frame(pixels, JPEG2000Lossless) for pixels in pictures)
    frames = [one + b"\0" * (len(one) % 2) for one in encoded]
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    ds.ExtendedOffsetTable = np.array(offsets, "<u8").tobytes() + b"odd"
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.NumberOfFrames, ds.PixelRepresentation, ds.file_meta.TransferSyntaxUID = 2, 0, JPEG2000Lossless
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.WindowCenter, ds.WindowWidth = 8, 8, 7, 128, 256
    ds.save_as(tmp_path / "two.dcm")
    keep_source(stage, tmp_path / "two.dcm")
    uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    at = "{}/studies/{}/series/{}/instances/{}".format(web, *uids)
    for syntax, expected in (("*", frames), (ExplicitVRLittleEndian, [one.tobytes() for one in pictures])):
        accept = {"accept": f"{OCTETS}; transfer-syntax={syntax}"}
        answer = httpx2.get(f"{at}/frames/1,2", headers=accept, trust_env=False)
        assert [body for _kind, body in parts_of(answer)] == expected
    plain = DICOMwebClient(web).retrieve_instance(*uids, media_types=(("application/dicom", ExplicitVRLittleEndian),))
    assert np.array_equal(plain.pixel_array, pictures)
    for number, one in enumerate(pictures):  # as it is assessed and rendered
        assert np.array_equal(decode_frame(tmp_path / "two.dcm", number, 10**9).stored, one)


def keep_source(stage: Stage, path: Path) -> None:
    """Receive a file."""
    header, study = read_header(path)
    digest = InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest())
    stage.services.objects.put(f"instances/{digest}.dcm", path.read_bytes())
    origin = ReceivedObject("", digest, path.stat().st_size, "CR1", "MIQA", "127.0.0.1", datetime.now(UTC))
    with stage.services.database.begin() as transaction:
        instances.record(transaction, header, study, origin, f"instances/{digest}.dcm")


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
def test_filters(web: str) -> None:
    client = DICOMwebClient(web)
    for filters, result in FILTERS:
        matches = client.search_for_instances(search_filters=filters)
        assert {match["00080018"]["Value"][0] for match in matches} == result, filters


@pytest.mark.more
def test_nobody_elses_studies_are_in_the_answer(web: str) -> None:
    for place in ("studies", "series", "instances"):
        for query in NOBODY:
            answer = httpx2.get(f"{web}/{place}?{query}", trust_env=False)
            assert (answer.status_code, answer.content) == (204, b""), (place, query)


@pytest.mark.more
def test_standard_parameters_are_not_attributes(web: str) -> None:
    """PS3.18 8.3.3.1, 8.3.3.2 and 8.3.4.2 to 8.3.4.6; the texts are those of the standard."""
    service = f"299 {web}:"
    for name, outcome in (
        ("fuzzymatching", "Only literal matching has been performed."),
        ("emptyvaluematching", "Empty Value Matching has not been performed."),
        ("multiplevaluematching", "Multiple Value Matching has not been performed."),
    ):
        answer = httpx2.get(f"{web}/studies?{name}=true&StudyID=S1", trust_env=False)
        assert answer.headers["warning"] == f"{service} The {name} parameter is not supported. {outcome}"
        assert len(answer.json()) == 1
        assert "warning" not in httpx2.get(f"{web}/studies?{name}=false", trust_env=False).headers
    more = httpx2.get(f"{web}/studies?limit=1", trust_env=False)
    assert more.headers["warning"] == f"{service} There are 1 additional results that can be requested"
    for query in (
        "accept=application/dicom%2Bjson",
        "accept=application/dicom+json",
        "charset=utf-8",
        "charset=iso-8859-1,utf-8;q=0.5",
    ):
        assert httpx2.get(f"{web}/studies?{query}", trust_env=False).status_code == 200, query
    assert httpx2.get(f"{web}/studies?charset=iso-8859-1", trust_env=False).status_code == 400
    assert httpx2.get(f"{web}/studies?accept=application/dicom%2Bxml", trust_env=False).status_code == 406


@pytest.mark.more
def test_frames_have_the_media_type_of_their_syntax(web: str, picture: Dataset) -> None:
    place = f"{web}/studies/1.2.3.2/series/1.2.9.2/instances/2.25.3/frames/1"

    def first(media_type: str, syntax: str) -> str:
        accept = f'multipart/related; type="{media_type}"{syntax and "; transfer-syntax="}{syntax}'
        answer = httpx2.get(place, headers={"accept": accept}, trust_env=False)
        return parts_of(answer)[0][0] if answer.status_code == 200 else str(answer.status_code)

    rle = f"image/dicom-rle; transfer-syntax={RLELossless}"
    for syntax in ("*", "", RLELossless):
        assert first("image/jpeg", syntax) == "406", syntax
        assert first("image/dicom-rle", syntax) == rle, syntax
        assert first("image/*", syntax) == rle, syntax
    assert first("application/octet-stream", "*") == f"application/octet-stream; transfer-syntax={RLELossless}"
    assert first("application/octet-stream", "") == "application/octet-stream"
    assert first("image/dicom-rle", JPEG2000Lossless) == "406"


REFUSED_RENDERINGS = (
    "window=40,400", "window=40,0.5,linear", "window=40,0,sigmoid", "window=a,400,linear", "window=40,400,LINEAR",
    "window=", "window=nan,400,linear", "quality=0", "quality=101", "quality=", "quality=1e1", "viewport=0,10",
    "viewport=10", "viewport=10,10,a", "viewport=10,10,9999,0", "viewport=10,10,0,0,1,1,1", "viewport=",
    "annotation=", "annotation=name", "iccprofile=srgb",
)  # fmt: skip


@pytest.mark.more
def test_pictures_are_rendered_as_asked(stage: Stage, tmp_path: Path, web: str) -> None:
    """Window, quality and region (PS3.18 8.3.5.1); what is not valid is refused, as the standard says."""
    source = get_testdata_file("CT_small.dcm")
    assert isinstance(source, str)
    keep_source(stage, Path(source))
    ds = dcmread(source)
    values = apply_modality_lut(ds.pixel_array, ds).astype(float)
    settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0})
    with WorkerPool(settings) as pool:
        services = replace(stage.services, settings=settings, decode_frame=pool.decode)
        with serving(services, settings.web) as address:
            place = f"{address}/api/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}"
            place = f"{place}/instances/{ds.SOPInstanceUID}"

            def get(query: str, kind: str = "image/png", name: str = "rendered") -> httpx2.Response:
                return httpx2.get(f"{place}/{name}?{query}", headers={"accept": kind}, trust_env=False, timeout=30)

            def pixels(query: str) -> np.ndarray:
                return picture_pixels(get(query).content, cv2.IMREAD_GRAYSCALE)

            plain = pixels("")
            exact = np.floor(np.clip((values - 40.0) / 400.0 + 0.5, 0.0, 1.0) * 65535 / 256)
            assert np.abs(pixels("window=40,400,linear-exact") - exact).max() <= 1
            assert np.abs(pixels("window=-100,50.5,sigmoid").astype(int) - plain).max() > 50
            assert np.array_equal(pixels("viewport=64,32,10,20,64,32"), plain[20:52, 10:74])
            assert np.array_equal(pixels("viewport=64,32,10,20,-64,-32"), plain[20:52, 10:74][::-1, ::-1])
            assert np.array_equal(pixels("viewport=28,128,100"), plain[:, 100:])
            assert pixels("viewport=256,999").shape == (256, 256)  # as large as possible, without distortion
            sizes = [len(get(f"quality={quality}", "image/jpeg").content) for quality in (1, 50, 100)]
            assert sizes == sorted(set(sizes))
            note = get("annotation=patient,technique").headers["warning"]
            assert note.endswith(": The following annotation values are not supported: patient,technique")
            assert get("iccprofile=no").status_code == 200
            for query in REFUSED_RENDERINGS:
                assert get(query).status_code == 400, query
            assert picture_pixels(get("viewport=20,9", name="thumbnail").content, 0).shape == (9, 9)
            assert get("viewport=20,9,1,1", name="thumbnail").status_code == 400


SOURCES = (
    "RG3_UNCR",
    "RG3_J2KR",
    "SC_rgb_jpeg_dcmtk",
    "OBXXXX1A_rle_2frame",
    "MR_small_bigendian",
    "MR_small_implicit",
)


@pytest.mark.more
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


def damaged(path: Path) -> tuple[str, str, str]:
    """A CT slice with values that contradict their VR, an item that ends early, and numbers that JSON does not have."""
    ds = dcmread(str(get_testdata_file("CT_small.dcm")))
    ds.add_new("ReconstructionTargetCenterPatient", "FD", [float("nan"), float("inf"), 1.5])
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    data = out.getvalue()
    for tag, vr, value in (
        (0x00200010, "IS", b"1e400 "),  # Study ID
        (0x00080090, "UL", b"Doctor"),  # Referring Physician's Name
        (0x00200013, "SQ", b"1 "),  # Instance Number
        (0x00280030, "FD", b"0.50"),  # Pixel Spacing
    ):
        data = replace_element(data, tag, vr, value)
    path.write_bytes(data)
    return str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), str(ds.SOPInstanceUID)


@pytest.mark.more
def test_one_damaged_object_keeps_nothing_else_from_being_found(web: str, stage: Stage, tmp_path: Path) -> None:
    """The last values of a header that a device wrote wrongly once broke the search of all studies."""
    path = tmp_path / "damaged.dcm"
    study, series, instance = damaged(path)
    keep_source(stage, path)
    for level in ("studies", "series", "instances"):
        for fields in ("", "?includefield=all"):
            answer = httpx2.get(f"{web}/{level}{fields}", trust_env=False)
            assert answer.status_code == 200, answer.text
            studies = {one["0020000D"]["Value"][0] for one in answer.json()}
            assert studies == {"1.2.3.1", "1.2.3.2", study}
    at = f"{web}/studies/{study}/series/{series}/instances/{instance}"
    (document,) = httpx2.get(f"{at}/metadata", trust_env=False).json()
    assert document["00189318"] == {"vr": "FD", "Value": [None, None, 1.5]}
    assert {"00080090", "00200010", "00200013", "00280030"} & set(document) == set()
    assert document["00280010"]["Value"] == [128]
    frames = httpx2.get(f"{at}/frames/1", headers={"accept": "application/octet-stream"}, trust_env=False)
    assert frames.status_code in (200, 406)
    assert httpx2.get(f"{at}/bulkdata/00280030", trust_env=False).status_code == 404
    assert httpx2.get(at, trust_env=False).content.count(path.read_bytes()) == 1
