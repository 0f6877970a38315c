"""Each status that the capabilities and the conformance statement list for a resource is sent by it, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import UID

from miqa_node.core.domain.access import Role
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.dicomweb.capabilities import PREFIX, WebResource, web_resources
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.receive.intake import Intake
from tests.interfaces.dicomweb.test_stow import TYPE, body, sample
from tests.web.people import add_account
from tests.web.staging import Stage

pytestmark = pytest.mark.more

LIMIT = 1_000_000
CT = dcmread(str(get_testdata_file("CT_small.dcm")), stop_before_pixels=True)
HERE = {
    "study_uid": CT.StudyInstanceUID,
    "series_uid": CT.SeriesInstanceUID,
    "instance_uid": "2.25.1",
    "frames": "1",
    "tag": "7FE00010",
}
UNKNOWN, MALFORMED = ({name: uid for name in HERE if name.endswith("uid")} for uid in ("1.2.99", "-"))
READS: list[tuple[dict[str, str], str]] = [
    ({}, ""),
    ({}, "?PatientID=NOPE"),
    ({"if-none-match": "*"}, ""),
    ({"accept": "*/*;q=best"}, "?PatinetName=Doe"),
    ({"accept": "text/plain"}, ""),
]
"""(headers, query)"""
STORES: list[tuple[str, bytes]] = [
    (TYPE, body(sample())),
    (TYPE, body(sample(), b"no DICOM")),
    (TYPE, body(b"no DICOM")),
    (TYPE, body(sample(), end=False)[:-100]),
    (TYPE, body(b"\0" * LIMIT)),
    ("application/dicom", sample()),
]
"""(content type, body)"""


@pytest.fixture
def services(stage: Stage, tmp_path: Path) -> Iterator[WebServices]:
    """A node with one picture, and room for small uploads."""
    ds = dcmread(BytesIO(sample()))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(HERE["instance_uid"])
    file = BytesIO()
    ds.save_as(file)
    stage.add(1)
    stage.services.objects.put("results/aa/1.dcm", file.getvalue())
    settings = load_settings(node={"data_dir": tmp_path}, web={"max_upload_bytes": LIMIT}, work={"processes": 1})
    intake = Intake(tmp_path / "incoming", lambda received: None, lambda: None, LIMIT)
    with WorkerPool(settings) as pool:
        yield replace(stage.services, settings=settings, intake=intake, decode_frame=pool.decode)


def test_each_resource_sends_what_it_lists(stage: Stage, services: WebServices) -> None:
    resources = web_resources()
    sent = {(one.method, one.path): _asked(_client(services), one) for one in resources}

    def ask(web: TestClient) -> None:
        for one in resources:
            sent[one.method, one.path].add(_once(web, one))

    ask(_client(replace(services, intake=None)))
    ask(_client(services, "10.0.0.7"))
    add_account(stage, "anna", Role.ADMIN)
    ask(_client(services, "10.0.0.7"))
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.text("ALTER TABLE users RENAME TO away"))
    ask(_client(services))
    listed = {(one.method, one.path): set(one.statuses) for one in resources}
    assert {key: (sent[key] - {200}) ^ listed[key] for key in listed if (sent[key] - {200}) != listed[key]} == {}


def _client(services: WebServices, address: str = "127.0.0.1") -> TestClient:
    app = create_app(services)
    return TestClient(app, "http://localhost:8080", raise_server_exceptions=False, client=(address, 50000))


def _once(web: TestClient, one: WebResource) -> int:
    place = f"{PREFIX}/{one.path.format_map(HERE)}"
    return int(web.request(one.method, place, headers={"content-type": TYPE}).status_code)


def _asked(web: TestClient, one: WebResource) -> set[int]:
    """The answers to what is refused by some resource, and to what none refuses."""
    places = [f"{PREFIX}/{one.path.format_map({**HERE, **uids})}" for uids in ({}, UNKNOWN, MALFORMED)]
    if one.method == "GET":
        answers = [web.get(place + query, headers=headers) for place in places for headers, query in READS]
    else:
        requests = [(places[0], *store) for store in STORES] + [(place, *STORES[0]) for place in places[1:]]
        answers = [web.post(place, content=data, headers={"content-type": kind}) for place, kind, data in requests]
    return {int(answer.status_code) for answer in answers}
