"""All ways into a node lead through one intake: once it closes, none of them takes an object any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from structlog.testing import capture_logs

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.receive.incoming import StoreRequest
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.part10 import FileOrigin, FileTransfer
from miqa_node.stages.receive.sources.base import ImageSource, SourceContext, open_sources
from miqa_node.stages.receive.sources.rest import RestSource
from miqa_node.stages.receive.statuses import OUT_OF_RESOURCES
from miqa_node.stages.receive.upload import PictureDescription
from tests.stages.receive.wire import encoded, send_raw, small_image
from tests.waiting import LIMIT_S

STOPPING = "The node is stopping."
REQUEST = StoreRequest("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1", "UPLOAD", "UPLOAD", "")


class Ways:
    """Every source of a node, and what came in."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.received: list[ReceivedObject] = []
        self.intake = Intake.of(settings.dicom, settings.incoming_dir, self.received.append, lambda: None)
        objects = DiskObjects(settings.incoming_dir)
        context = SourceContext(settings, database, objects, self.intake, self.received.append, lambda: None)
        self.sources: dict[str, ImageSource] = open_sources(context, NodeRole.ALL)

    def leftovers(self) -> list[Path]:
        return list(self.settings.incoming_dir.iterdir())


@contextmanager
def open_ways(folder: Path, **dicom: float) -> Iterator[Ways]:
    settings = load_settings(node={"data_dir": str(folder)}, dicom={"host": "127.0.0.1", "port": 0, **dicom})
    with closing(Database(f"sqlite:///{folder / 'miqa.sqlite'}")) as database:
        database.migrate()
        yield Ways(settings, database)


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[Ways]:
    with open_ways(tmp_path) as ways:
        yield ways


def test_after_the_close_every_way_refuses_and_leaves_no_file(ways: Ways, samples: Path) -> None:
    file, scp, rest = samples / "RG1_UNCR.dcm", ways.sources["cstore"], ways.sources["rest"]
    assert isinstance(rest, RestSource)
    scp.start()
    try:
        ways.intake.close()
        ds = small_image()
        response = send_raw(scp.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
        assert response is not None
        assert (response.Status, str(response.ErrorComment)) == (OUT_OF_RESOURCES, STOPPING)
    finally:
        scp.stop()
    made, header = rest.uploads.header(file, PictureDescription())
    with pytest.raises(ResourcesError, match=STOPPING):
        rest.uploads.take_in(made, header, "192.0.2.7")
    transfer = FileTransfer(rest.intake, FileOrigin("STOW-RS", "MIQA", "127.0.0.1"))
    transfer.write(file.read_bytes())
    assert (transfer.finish().status, transfer.finish().comment) == (OUT_OF_RESOURCES, STOPPING)
    transfer.end()
    assert ways.received == []
    assert ways.leftovers() == []


def test_a_listener_that_stops_waits_for_an_upload_under_way(tmp_path: Path) -> None:
    with open_ways(tmp_path, acse_timeout_s=0.1) as ways, capture_logs() as lines:
        ways.sources["cstore"].start()
        upload = ways.intake.begin(REQUEST)
        ways.sources["cstore"].stop()
        upload.end()
    assert "objects still arriving at shutdown are dropped; their senders got no answer" in {
        line["event"] for line in lines
    }


def test_a_transfer_that_hangs_holds_up_the_end_of_a_node_once(ways: Ways) -> None:
    """Its sources stop one after the other; their time counts from the first."""
    hanging = ways.intake.begin(REQUEST)
    assert not ways.intake.finish(0.0)
    waited = Event()
    assert not ways.intake.finish(0.0)
    Thread(target=lambda: (hanging.end(), waited.set()), daemon=True).start()
    assert ways.intake.finish(LIMIT_S)
    assert waited.wait(LIMIT_S)
