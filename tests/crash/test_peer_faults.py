"""Archives and buckets that are away, silent, slow or fail: images are taken and judged, and their reports follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.crash.faults import (
    ALL,
    FAULT_S,
    OUT_OF_RESOURCES,
    Record,
    at_work,
    check,
    marks,
    only_with_all,
    wait_for_refusal,
)
from tests.crash.road import Road
from tests.crash.station import Pacs
from tests.stages.deliver.receiver import Receiver
from tests.waiting import delay

SILENCE_S = 8.0
SLOW_S = 0.7
COERCED = 0xB000

pytestmark = marks


@pytest.mark.parametrize("state", ["aborting", "away", "silent", "full"] if ALL else ["aborting"])
def test_a_destination_that_is(
    state: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    station = at_work(tmp_path, samples, webhook, {"MIQA_DELIVER__DIMSE_TIMEOUT_S": "2"})
    before = station.pacs
    if state == "away":
        before.close()
    before.answer = {"silent": _silence, "aborting": _fail}.get(state, lambda: OUT_OF_RESOURCES)
    delay(FAULT_S)
    during = [station.next_answer() for _ in range(3)]
    delay(FAULT_S)
    assert not set(during) & set(before.reports)
    if state == "away":
        station.pacs = Pacs(before.port)
        station.pacs.files, station.pacs.reports, station.pacs.times = before.files, before.reports, before.times
    station.pacs.answer = lambda: 0x0000
    check(station, record_property, judged=True)


def _silence() -> int:
    delay(SILENCE_S)
    return OUT_OF_RESOURCES


def _fail() -> int:
    raise RuntimeError("as a broken archive does")


@only_with_all
@pytest.mark.parametrize("state", ["slow", "warning"])
def test_a_destination_that_takes_objects_but_is(
    state: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    station = at_work(tmp_path, samples, webhook)
    station.pacs.answer = _slow if state == "slow" else lambda: COERCED
    during = [station.next_answer() for _ in range(3)]
    delay(FAULT_S)
    assert during
    station.pacs.answer = lambda: 0x0000
    check(station, record_property, judged=True)


def _slow() -> int:
    delay(SLOW_S)
    return 0x0000


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    """The way to a bucket named "faults"."""
    road = Road()
    for name, value in road.environment.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=road.url, region_name="us-east-1").create_bucket(Bucket="faults")
    yield road
    road.close()


@only_with_all
@pytest.mark.parametrize("state", ["away", "silent", "failing"])
def test_a_bucket_that_is(
    state: str, tmp_path: Path, samples: Path, webhook: Receiver, road: Road, record_property: Record
) -> None:
    station = at_work(tmp_path, samples, webhook, {"MIQA_STORE__OBJECTS_URL": "s3://faults/node"})
    begin, end = {
        "away": (road.leave, road.open),
        "silent": (road.closed.set, road.closed.clear),
        "failing": (road.failing.set, road.failing.clear),
    }[state]
    station.scanner.patience_s = 60.0
    begin()
    wait_for_refusal(station)
    end()
    check(station, record_property)
