"""What every destination promises to the lanes, whatever it speaks; see ``domain.ports.Destination``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.uid import BasicTextSRStorage, SegmentationStorage

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.event import EventType, new_event_id
from miqa_node.core.settings import DeliverSettings, load_settings
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, connect, split_file
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.kinds.folder import FolderConfig
from miqa_node.stages.deliver.kinds.stow import StowConfig
from miqa_node.stages.deliver.kinds.webhook import WebhookConfig
from tests.stages.deliver.dicomweb import dicomweb
from tests.stages.deliver.making import Event, File, as_file, outcomes, pacs, report
from tests.stages.deliver.receiver import receiver, secret_file


@dataclass
class Arrangement:
    """A destination with what stands behind it, what it takes, and one that it never takes."""

    destination: Destination
    arrived: Callable[[], list[tuple[str, bytes]]]
    break_down: Callable[[], None]
    never: File
    make: Callable[[], File | Event] = lambda: as_file(report())
    content: Callable[[bytes], bytes] = lambda file: split_file(file)[1]


@pytest.fixture(params=["cstore", "stow", "folder", "webhook"])
def arranged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arrangement]:
    settings = load_settings(deliver={"dimse_timeout_s": 2.0, "connection_timeout_s": 2.0}).deliver
    arrange = {"cstore": _cstore, "stow": _stow, "folder": _folder, "webhook": _webhook}[request.param]
    yield from arrange(settings, tmp_path)


def _cstore(settings: DeliverSettings, tmp_path: Path) -> Iterator[Arrangement]:
    with pacs() as peer:
        config = CStoreConfig(name="there", ae_title="PACS", host="127.0.0.1", port=peer.port, objects=(SR,))
        destination = connect(config, DeliveryContext(settings, "NODE"))

        def break_down() -> None:
            peer.answer = lambda event: 0xA700

        never = as_file(report(SegmentationStorage))  # a class that the peer does not accept
        yield Arrangement(destination, lambda: peer.stored, break_down, never)
        destination.close()


def _stow(settings: DeliverSettings, tmp_path: Path) -> Iterator[Arrangement]:
    with dicomweb() as web:
        destination = connect(StowConfig(name="there", url=web.url, objects=(SR,)), DeliveryContext(settings))
        web.reason = lambda ds: 0xA900 if ds.SOPClassUID == SegmentationStorage else 0

        def break_down() -> None:
            web.answer = lambda: (503, "text/plain", b"busy")

        def arrived() -> list[tuple[str, bytes]]:
            return [(uid, split_file(data)[1]) for uid, data in web.stored]

        yield Arrangement(destination, arrived, break_down, as_file(report(SegmentationStorage)))
        destination.close()


def _folder(settings: DeliverSettings, tmp_path: Path) -> Iterator[Arrangement]:
    folder = tmp_path / "out"
    folder.mkdir()
    destination = connect(FolderConfig(name="there", folder=str(folder), objects=(SR,)), DeliveryContext(settings))

    def arrived() -> list[tuple[str, bytes]]:
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [(path.stem, split_file(path.read_bytes())[1]) for path in files]

    def break_down() -> None:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    yield Arrangement(destination, arrived, break_down, (BasicTextSRStorage, "../evil", as_file(report())[2]))
    destination.close()


def _webhook(settings: DeliverSettings, tmp_path: Path) -> Iterator[Arrangement]:
    with receiver() as peer:
        destination = connect(
            WebhookConfig(
                name="there", url=peer.url, secret_file=secret_file(tmp_path), events=(EventType.STUDY_FLAGGED,)
            ),
            DeliveryContext(settings),
        )

        def break_down() -> None:
            peer.answer = lambda event: 503

        def event() -> Event:
            event_id = new_event_id()
            return event_id, f'{{"id": "{event_id}", "type": "study.flagged"}}'.encode()

        never = as_file(report())
        yield Arrangement(destination, lambda: peer.taken, break_down, never, event, content=lambda body: body)
        destination.close()


def test_has_its_name(arranged: Arrangement) -> None:
    assert arranged.destination.name == "there"


def test_one_outcome_for_each_item_in_order(arranged: Arrangement) -> None:
    good = arranged.make()
    first, second, third = outcomes(arranged.destination, good, arranged.never, good)
    assert (first, third) == (None, None)
    assert isinstance(second, DeliveryRefusedError)


def test_a_destination_of_objects_takes_no_events(arranged: Arrangement) -> None:
    event = new_event_id(), b"{}"
    if len(arranged.make()) == 3:
        [outcome] = outcomes(arranged.destination, event)
        assert isinstance(outcome, DeliveryRefusedError)
        assert arranged.arrived() == []


def test_what_arrives_is_what_was_sent(arranged: Arrangement) -> None:
    items = [arranged.make() for _ in range(3)]
    assert outcomes(arranged.destination, *items) == [None] * 3
    assert sorted(arranged.arrived()) == sorted((uid, arranged.content(data)) for *_, uid, data in items)


def test_a_passing_failure_is_one_that_may_be_tried_again(arranged: Arrangement) -> None:
    arranged.break_down()
    (outcome,) = outcomes(arranged.destination, arranged.make())
    assert isinstance(outcome, DeliveryError)
    assert not isinstance(outcome, DeliveryRefusedError)


def test_is_checked_without_sending_anything(arranged: Arrangement) -> None:
    arranged.destination.probe()
    assert arranged.arrived() == []


def test_may_be_closed_at_any_time_and_used_again(arranged: Arrangement) -> None:
    arranged.destination.close()
    assert outcomes(arranged.destination, arranged.make()) == [None]
    arranged.destination.close()
    arranged.destination.close()
    assert outcomes(arranged.destination, arranged.make()) == [None]


def test_a_folder_shows_whole_files_only_and_never_replaces_one(tmp_path: Path) -> None:
    destination = connect(FolderConfig(name="out", folder=str(tmp_path)), DeliveryContext(load_settings().deliver))
    sop_class, uid, data = as_file(report())
    (tmp_path / f"{uid}.dcm").write_bytes(b"something else")
    (outcome,) = outcomes(destination, (sop_class, uid, data))
    assert isinstance(outcome, DeliveryRefusedError)
    assert "other content" in str(outcome)
    assert [path.name for path in tmp_path.iterdir()] == [f"{uid}.dcm"]
    assert (tmp_path / f"{uid}.dcm").read_bytes() == b"something else"
