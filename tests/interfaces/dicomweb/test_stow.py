"""STOW-RS in: real clients over a socket, one answer for each instance, and nothing kept that is not whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.settings import load_settings
from miqa_node.errors import ResourcesError
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.stow import StowConfig, StowDestination
from miqa_node.stages.receive.intake import Intake
from tests.stages.deliver.making import outcomes
from tests.web.serving import serving
from tests.web.staging import Stage

BOUNDARY = "miqa-test"
TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


@dataclass
class Door:
    url: str
    received: list[ReceivedObject] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    full: bool = False

    def post(self, body: bytes, path: str = "/studies", **headers: str) -> httpx2.Response:
        return httpx2.post(self.url + path, content=body, headers={"content-type": TYPE, **headers}, trust_env=False)


@pytest.fixture
def door(stage: Stage, tmp_path: Path) -> Iterator[Door]:
    door = Door("")

    def keep(received: ReceivedObject) -> None:
        if door.full:
            raise ResourcesError("The disk is full.")
        door.received.append(received)
        door.files.append(Path(received.path).read_bytes())

    settings = load_settings(node={"data_dir": tmp_path}, web={"port": 0})
    intake = Intake(tmp_path / "incoming", keep, lambda: None, 1_000_000)
    services = replace(stage.services, settings=settings, intake=intake)
    with serving(services, settings.web) as address:
        door.url = f"{address}/api/dicom-web"
        yield door
    assert list((tmp_path / "incoming").iterdir()) == []


def body(*files: bytes, end: bool = True) -> bytes:
    parts = b"".join(
        f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file + b"\r\n" for file in files
    )
    return parts + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def sample(name: str = "CT_small.dcm") -> bytes:
    return Path(str(get_testdata_file(name))).read_bytes()


def uids(answer: dict[str, Any], sequence: str) -> list[str]:
    return [item["00081155"].get("Value", [""])[0] for item in answer.get(sequence, {}).get("Value", [])]


def test_dicomweb_client_stores(door: Door) -> None:
    data_sets = [dcmread(str(get_testdata_file(name))) for name in ("CT_small.dcm", "MR_small.dcm")]
    answer = DICOMwebClient(door.url).store_instances(data_sets)
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == {
        ds.SOPInstanceUID for ds in data_sets
    }
    assert [dcmread(BytesIO(file)).PixelData for file in door.files] == [ds.PixelData for ds in data_sets]
    assert {received.calling_ae_title for received in door.received} == {"STOW-RS"}


def test_our_own_sender_stores(door: Door) -> None:
    config = StowConfig(name="node", url=door.url)
    sender = StowDestination(config, DeliveryContext(load_settings().deliver))
    ds = dcmread(str(get_testdata_file("CT_small.dcm")))
    assert outcomes(sender, (ds.SOPClassUID, ds.SOPInstanceUID, sample())) == [None]
    sender.close()
    assert dcmread(BytesIO(door.files[0])) == ds


def test_the_digest_is_that_of_the_data_set_so_the_same_image_is_the_same_by_every_way(door: Door) -> None:
    whole = sample()
    door.post(body(whole))
    other_header = dcmread(BytesIO(whole))
    other_header.file_meta.SourceApplicationEntityTitle = "OTHER"
    again = BytesIO()
    other_header.save_as(again)
    door.post(body(again.getvalue()))
    assert door.received[0].digest == door.received[1].digest


def test_each_instance_has_its_own_outcome(door: Door) -> None:
    answer = door.post(body(sample(), b"<html>no DICOM</html>", sample("MR_small.dcm")))
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/dicom+json"
    assert len(uids(answer.json(), "00081199")) == 2
    assert "00081198" not in answer.json()  # its items name instances, and what is no DICOM has no name
    assert answer.json()["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert answer.json()["00081190"] == answer.json()["00081199"]["Value"][0]["00081190"] == {"vr": "UR"}
    assert len(door.received) == 2


def test_nothing_stored_is_a_conflict_and_a_full_disk_says_so(door: Door) -> None:
    assert door.post(body(b"no DICOM")).status_code == 409
    door.full = True
    answer = door.post(body(sample()))
    assert answer.status_code == 503
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA700]


def test_only_the_study_of_the_address(door: Door) -> None:
    study = dcmread(str(get_testdata_file("CT_small.dcm"))).StudyInstanceUID
    assert door.post(body(sample()), f"/studies/{study}").status_code == 200
    answer = door.post(body(sample("MR_small.dcm")), f"/studies/{study}")
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]


def test_the_study_is_found_behind_large_private_elements(door: Door) -> None:
    ds = dcmread(str(get_testdata_file("CT_small.dcm")))
    ds.private_block(0x0009, "MAKER", create=True).add_new(1, "OB", b"\0" * 200_000)
    large = BytesIO()
    ds.save_as(large)
    answer = door.post(body(large.getvalue()), f"/studies/{ds.StudyInstanceUID}")
    assert answer.status_code == 200
    assert uids(answer.json(), "00081199") == [ds.SOPInstanceUID]


def test_a_body_that_is_cut_off_keeps_whole_parts_only(door: Door) -> None:
    answer = door.post(body(sample(), sample("MR_small.dcm"), end=False)[:-2_000])
    assert answer.status_code == 400
    assert len(door.received) == 1


@pytest.mark.parametrize(
    "preamble", [b"\r\n", b"Parts of MIME.\r\n\r\n", f"--{BOUNDARY}-no\r\n".encode(), b"x" * 60_000 + b"\n"]
)
def test_text_before_the_first_boundary_is_skipped(door: Door, preamble: bytes) -> None:
    assert door.post(preamble + body(sample())).status_code == 200
    assert [dcmread(BytesIO(file)) for file in door.files] == [dcmread(BytesIO(sample()))]


def test_a_body_without_its_boundary_is_refused(door: Door) -> None:
    for sent in (b"", b"text", b"x" * 100_000, f"no line --{BOUNDARY}\r\n".encode()):
        assert door.post(sent).status_code == 400


def test_a_boundary_of_seventy_three_characters_is_taken_as_orthanc_sends_it(door: Door) -> None:
    boundary = f"{uuid.uuid4()}-{uuid.uuid4()}"
    sent = body(sample()).replace(BOUNDARY.encode(), boundary.encode())
    answer = door.post(sent, **{"content-type": TYPE.replace(BOUNDARY, boundary)})
    assert answer.status_code == 200
    assert door.post(b"x", **{"content-type": TYPE.replace(BOUNDARY, "b" * 257)}).status_code == 415


@pytest.mark.parametrize(
    "content_type",
    ["application/dicom", "multipart/related", 'multipart/related; type="application/dicom+json"; boundary=x'],
)
def test_other_bodies_are_refused(door: Door, content_type: str) -> None:
    assert door.post(b"x", **{"content-type": content_type}).status_code == 415


def test_another_site_s_page_may_not_store(door: Door) -> None:
    assert door.post(body(sample()), origin="http://evil.example").status_code == 403
    assert door.received == []


def test_every_syntax_passes(door: Door) -> None:
    names = [
        "image_dfl.dcm",
        "ExplVR_BigEnd.dcm",
        "JPEG2000.dcm",
        "SC_rgb_rle.dcm",
        "ExplVR_LitEndNoMeta.dcm",
        "rtplan.dcm",
    ]
    answer = door.post(body(*(sample(name) for name in names)))
    assert len(uids(answer.json(), "00081199")) == len(names)


@pytest.mark.more
def test_an_object_over_the_limit_is_refused_and_the_next_is_taken(door: Door) -> None:
    ds = dcmread(str(get_testdata_file("CT_small.dcm")))
    ds.SOPInstanceUID = generate_uid()
    ds.PixelData = b"\0" * 2_000_000
    large = BytesIO()
    ds.save_as(large)
    answer = door.post(body(large.getvalue(), sample()))
    assert answer.status_code == 202
    assert uids(answer.json(), "00081198") == [ds.SOPInstanceUID]
    assert door.post(body(large.getvalue())).status_code == 409  # not "come again": it will be as large then
