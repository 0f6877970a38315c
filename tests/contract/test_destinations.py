"""What every destination promises to the lanes, whatever it speaks; see ``domain.ports.Destination``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.uid import BasicTextSRStorage, SegmentationStorage

from miqa_node.deliver.cstore import CStoreDestination, split_file
from miqa_node.deliver.destinations import DestinationConfig
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.ports import Destination
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.settings import load_settings
from tests.unit.deliver.making import as_file, pacs, report


@dataclass
class Arrangement:
    """A destination with what stands behind it; takes Basic Text SR and no segmentations."""

    destination: Destination
    arrived: Callable[[], list[tuple[str, bytes]]]
    break_down: Callable[[], None]


@pytest.fixture(params=["cstore"])
def arranged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arrangement]:
    settings = load_settings(deliver={"dimse_timeout_s": 2.0, "connection_timeout_s": 2.0}).deliver
    assert request.param == "cstore"
    with pacs() as peer:
        config = DestinationConfig("there", "PACS", "127.0.0.1", peer.port, objects=(ResultKind.SR,))
        destination = CStoreDestination(config, settings, "NODE")

        def break_down() -> None:
            peer.answer = lambda event: 0xA700

        yield Arrangement(destination, lambda: peer.stored, break_down)
        destination.close()


def test_has_its_name_and_profile(arranged: Arrangement) -> None:
    assert arranged.destination.name == "there"
    assert arranged.destination.wants(ResultKind.SR)
    assert not arranged.destination.wants(ResultKind.KOS)


def test_one_outcome_for_each_file_in_order(arranged: Arrangement) -> None:
    good, never = as_file(report(BasicTextSRStorage)), as_file(report(SegmentationStorage))
    outcomes = arranged.destination.send([good, never, good])
    assert [type(outcome) for outcome in outcomes] == [type(None), DeliveryRefusedError, type(None)]


def test_nothing_to_send_is_nothing_to_do(arranged: Arrangement) -> None:
    assert list(arranged.destination.send([])) == []


def test_what_arrives_is_what_was_sent(arranged: Arrangement) -> None:
    files = [as_file(report()) for _ in range(3)]
    assert list(arranged.destination.send(files)) == [None] * 3
    assert arranged.arrived() == [(uid, split_file(data)[1]) for _, uid, data in files]


def test_a_passing_failure_is_one_that_may_be_tried_again(arranged: Arrangement) -> None:
    arranged.break_down()
    (outcome,) = arranged.destination.send([as_file(report())])
    assert isinstance(outcome, DeliveryError)
    assert not isinstance(outcome, DeliveryRefusedError)


def test_may_be_closed_at_any_time_and_used_again(arranged: Arrangement) -> None:
    arranged.destination.close()
    assert list(arranged.destination.send([as_file(report())])) == [None]
    arranged.destination.close()
    arranged.destination.close()
    assert list(arranged.destination.send([as_file(report())])) == [None]
