"""Archives that answer queries and retrievals as they should not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError
from miqa_node.stages.deliver import retrieval
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.deliver.retrieval import FIND, GET
from tests.runtime.store.making import header
from tests.stages.deliver.making import report
from tests.waiting import delay

pytestmark = pytest.mark.more

Make = Callable[..., DeliverSettings]
Answers = Callable[[evt.Event], Iterator[Any]]


@contextmanager
def archive(find: Answers, get: Answers) -> Iterator[int]:
    ae = AE("PACS")
    ae.add_supported_context(FIND)
    ae.add_supported_context(GET)
    ae.add_supported_context(header(1).sop_class_uid, "1.2.840.10008.1.2.1", scu_role=True, scp_role=True)
    server = ae.make_server(
        ("127.0.0.1", 0),
        evt_handlers=[(evt.EVT_C_FIND, find), (evt.EVT_C_GET, get)],
        server_class=ThreadedAssociationServer,
    )
    ae._servers.append(server)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        for association in ae.active_associations:
            association.abort()


def matches_without_end(event: evt.Event) -> Iterator[Any]:
    while event.assoc.is_established:
        match = Dataset()
        match.SOPInstanceUID = "1.2.3.99"
        yield 0xFF00, match


def sent_again_and_again(event: evt.Event) -> Iterator[Any]:
    ds = report(header(1).sop_class_uid)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(header(1).sop_instance_uid)
    yield 60_000
    while event.assoc.is_established:
        yield 0xFF00, ds


def assert_given_up(port: int, settings: DeliverSettings, ask: str) -> None:
    config = CStoreConfig(name="pacs", ae_title="PACS", host="127.0.0.1", port=port)
    destination = CStoreDestination(config, DeliveryContext(settings))
    with pytest.raises(DeliveryError, match="without end"):
        destination.holds([header(1)]) if ask == "holds" else destination.fetch(header(1))


@pytest.mark.parametrize("ask", ["holds", "fetch"])
def test_an_archive_that_answers_without_end_is_given_up(
    deliver_settings: Make, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    monkeypatch.setattr(retrieval, "MAX_ANSWERS", 50)
    with archive(matches_without_end, sent_again_and_again) as port:
        assert_given_up(port, deliver_settings(dimse_timeout_s=20.0), ask)


def stored_without_end(event: evt.Event) -> Iterator[Any]:
    """C-STOREs of an object that nobody asked for, and never an answer to the C-GET."""
    ds = report(header(1).sop_class_uid)
    while event.assoc.is_established:
        event.assoc.send_c_store(ds)
    yield 0


def matches_now_and_then(event: evt.Event) -> Iterator[Any]:
    for answer in matches_without_end(event):
        delay(0.1)
        yield answer


@pytest.mark.parametrize("ask", ["holds", "fetch"])
def test_an_archive_that_is_never_done_is_given_up(
    deliver_settings: Make, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    monkeypatch.setattr(retrieval, "MAX_ANSWER_S", 1.0)
    with archive(matches_now_and_then, stored_without_end) as port:
        assert_given_up(port, deliver_settings(), ask)
