"""The OHIF viewer with the node as its only server: image, mask and report come over the DICOMweb of the node."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.viewer.package import viewer_files
from demo.viewer.site import site
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import MiqaError
from miqa_node.interfaces.web.app import WebServices, create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW
from tests.stages.report import making

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from tests.peers.look import NOTHING_OUTSIDE, WEBGL_WITHOUT_A_CARD, Looker, looking

CHROMIUM = Path("/usr/bin/chromium")
SR, SEG = 9901, 9902
KINDS = (ResultKind("SR"), ResultKind("SEG"), ResultKind("KOS"))

pytestmark = [
    pytest.mark.peers,
    pytest.mark.browser,
    # Playwright's driver leaves its event loop to the interpreter when it ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def keep(database: Database, objects: DiskObjects, source: Path, made: tuple[MadeObject, ...]) -> None:
    """What a node holds once it has received, judged and reported an image."""
    header, study = read_header(source)
    digest = InstanceDigest(hashlib.sha256(source.read_bytes()).hexdigest())
    objects.put(f"instances/{digest}.dcm", source.read_bytes())
    origin = ReceivedObject("", digest, source.stat().st_size, "CR1", "MIQA", "127.0.0.1", datetime.now(UTC))
    with database.begin() as transaction:
        instances.record(transaction, header, study, origin, f"instances/{digest}.dcm")
        for one in made:
            key = f"results/aa/{one.sop_instance_uid}.dcm"
            objects.put(key, one.data)
            result = ResultObject(one.sop_instance_uid, one.sop_class_uid, one.kind, key)
            deliveries.record_result(transaction, digest, result, NOW)


@pytest.fixture(scope="module")
def looker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looker]:
    """The study of a flagged CR in the viewer."""
    folder = tmp_path_factory.mktemp("node")
    try:
        files = viewer_files()
    except MiqaError as error:
        pytest.fail(str(error)) if os.environ.get("MIQA_TEST_REQUIRE_PEERS") else pytest.skip(str(error))
    settings = load_settings(node={"data_dir": folder}, web={"port": 0})
    database, objects = Database(settings.database_url), DiskObjects(settings.objects_dir)
    database.migrate()
    keep(database, objects, making.CHEST, making.flagged(making.CHEST, KINDS, making.radiograph(making.CHEST)))
    study_uid = str(read_header(making.CHEST)[0].study_instance_uid)
    with WorkerPool(settings) as pool:
        services = WebServices(database, objects, settings, list, decode_frame=pool.decode, uncompress=pool.uncompress)
        server = WebServer(create_app(services), settings.web)
        server.start()
        try:
            with site(files, server.port, root="/api") as address, sync_api.sync_playwright() as playwright:
                arguments = ["--no-sandbox", NOTHING_OUTSIDE, *WEBGL_WITHOUT_A_CARD]
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
                context = browser.new_context(viewport={"width": 1400, "height": 900})
                with looking(context, address, study_uid) as looker:
                    yield looker
                browser.close()
        finally:
            server.stop()
            database.close()


def test_the_mask_lies_on_the_image(looker: Looker) -> None:
    state = looker.show(SEG, lambda state: len(state["masks"]) > 0 and state["canvas"] is not None)
    assert {mask["image"] for mask in state["masks"]} == {str(read_header(making.CHEST)[0].sop_instance_uid)}
    assert sum(mask["pixels"] for mask in state["masks"]) > 0
    assert not looker.crashed, looker.errors
    assert (looker.errors, looker.outside) == ([], [])


def test_the_report_can_be_read(looker: Looker) -> None:
    state = looker.show(SR, lambda state: bool(state["labels"]))
    assert any("Image Quality Rating" in line for lines in state["labels"] for line in lines)
    assert not looker.crashed, looker.errors
    assert (looker.errors, looker.outside) == ([], [])
