# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.interfaces.dicomweb.test_dicomweb import keep_source, parts_of, picture, web
from tests.pictures import picture_pixels
from tests.stages.deliver.making import as_file, report
from tests.web.serving import serving
from tests.web.staging import NOW, Stage


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
