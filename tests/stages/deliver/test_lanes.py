from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SegmentationStorage,
)

from miqa_node.core.domain.delivery import Delivery, DeliveryState
from miqa_node.core.observe import metrics
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver import lane
from miqa_node.stages.deliver.breaker import BreakerState
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, DestinationConfig
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.lanes import Lanes
from tests.stages.deliver.making import MemoryOutbox, pacs, report
from tests.stages.deliver.test_kinds_of_destination import write
from tests.waiting import LIMIT_S, delay, stays, wait_until

Make = Callable[..., DeliverSettings]
QUEUED, SENT, FAILED = DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.FAILED


def to(name: str, port: int, **more: Any) -> DestinationConfig:
    return CStoreConfig(name=name, ae_title="PACS", host="127.0.0.1", port=port, **more)


@contextmanager
def running(
    tmp_path: Path, outbox: MemoryOutbox, settings: DeliverSettings, *configs: DestinationConfig, **more: Any
) -> Iterator[Lanes]:
    lanes = Lanes(outbox, Destinations(tmp_path / "destinations.toml", configs), settings, **more)
    lanes.start()
    try:
        yield lanes
    finally:
        lanes.stop(3.0)


class Scripted(Destination):
    """A destination that follows the test."""

    def __init__(self, config: DestinationConfig, behave: Callable[[str], Exception | None]) -> None:
        super().__init__(config.name)
        self.behave = behave
        self.closed = 0

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> None:
        if (error := self.behave(sop_instance_uid)) is not None:
            raise error

    def probe(self) -> str:
        return "answers"

    def close(self) -> None:
        self.closed += 1


def test_delivers_in_order_over_one_association(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with pacs() as peer:
        numbers = [outbox.put("pacs") for _ in range(8)]
        before = metrics.REGISTRY.get_sample_value("miqa_deliveries_total", {"destination": "pacs", "outcome": "sent"})
        with running(tmp_path, outbox, deliver_settings(), to("pacs", peer.port)) as lanes:
            assert wait_until(lambda: outbox.states() == [SENT] * 8)
            assert lanes.snapshot()["pacs"].breaker is BreakerState.CLOSED
            assert lanes.snapshot()["pacs"].last_success_at is not None
        assert peer.uids() == [outbox.result(n).sop_instance_uid for n in numbers]
        assert peer.associations == 1
        after = metrics.REGISTRY.get_sample_value("miqa_deliveries_total", {"destination": "pacs", "outcome": "sent"})
        assert (after or 0) - (before or 0) == 8


def test_a_lane_that_is_woken_waits_for_no_poll(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    with pacs() as peer:
        outbox.put("pacs")
        with running(tmp_path, outbox, deliver_settings(poll_interval_s=3600.0), to("pacs", peer.port)) as lanes:
            assert wait_until(lambda: outbox.states() == [SENT])  # the lane is there, and waits
            outbox.put("pacs")
            lanes.wake()
            assert wait_until(lambda: outbox.states() == [SENT, SENT])


def test_an_idle_association_is_released_and_opened_again(
    tmp_path: Path, deliver_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = MemoryOutbox()
    monkeypatch.setattr(lane, "IDLE_ASSOCIATION_S", 0.2)
    with pacs() as peer, running(tmp_path, outbox, deliver_settings(), to("pacs", peer.port)):
        outbox.put("pacs")
        assert wait_until(lambda: outbox.states() == [SENT])
        assert wait_until(lambda: not peer.ae.active_associations)
        outbox.put("pacs")
        assert wait_until(lambda: outbox.states() == [SENT, SENT])
        assert peer.associations == 2


def test_retries_with_growing_pauses_until_it_works(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    at: list[float] = []

    def behave(uid: str) -> Exception | None:
        at.append(time.monotonic())
        return DeliveryError("not now") if len(at) < 5 else None

    settings = deliver_settings(backoff_initial_s=0.1, backoff_max_s=0.4, breaker_failures=100)
    number = outbox.put("pacs")
    with running(tmp_path, outbox, settings, to("pacs", 1), connect=lambda c, _: Scripted(c, behave)):
        assert wait_until(lambda: outbox.row(number).state is SENT)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    for pause, longest in zip(pauses, (0.1, 0.2, 0.4, 0.4), strict=True):
        assert longest / 2 <= pause < longest + LIMIT_S
    assert outbox.row(number).attempts == 5


def test_gives_up_by_age_and_at_once_when_refused(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    fresh = outbox.put("pacs")
    days = timedelta(days=3)
    never, stubborn = outbox.put("pacs"), outbox.put("pacs", failing_since=datetime.now(UTC) - days)
    refused_uid = outbox.result(never).sop_instance_uid

    def behave(uid: str) -> Exception | None:
        return DeliveryRefusedError("never") if uid == refused_uid else DeliveryError("not now")

    settings = deliver_settings(give_up_after_days=3, breaker_failures=100)
    with running(tmp_path, outbox, settings, to("pacs", 1), connect=lambda c, _: Scripted(c, behave)):
        assert wait_until(lambda: outbox.states() == [QUEUED, FAILED, FAILED] and outbox.row(fresh).attempts > 5)
    assert (outbox.row(never).attempts, outbox.row(never).last_error) == (1, "never")
    assert (outbox.row(stubborn).attempts, outbox.row(stubborn).last_error) == (1, "not now")


def test_the_breaker_opens_probes_and_closes(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    up = False
    sends: list[float] = []

    def behave(uid: str) -> Exception | None:
        sends.append(time.monotonic())
        return None if up else DeliveryError("down")

    settings = deliver_settings(breaker_failures=3, breaker_pause_s=0.5)
    for _ in range(20):
        outbox.put("pacs")
    with running(tmp_path, outbox, settings, to("pacs", 1), connect=lambda c, _: Scripted(c, behave)) as lanes:
        assert wait_until(lambda: lanes.snapshot()["pacs"].breaker is BreakerState.OPEN)
        assert lanes.snapshot()["pacs"].last_error == "down"
        assert wait_until(lambda: outbox.leased() == 0)  # what was claimed but not tried went back
        assert wait_until(lambda: len(sends) >= 5)
        pauses = [later - earlier for earlier, later in itertools.pairwise(sends)]
        assert min(pauses[2:4]) >= 0.5, "after three failures it is tried once in each pause"
        up = True
        assert wait_until(lambda: outbox.states() == [SENT] * 20)
        assert lanes.snapshot()["pacs"].breaker is BreakerState.CLOSED
        assert lanes.snapshot()["pacs"].last_error == ""


def test_an_object_that_failed_often_does_not_keep_the_lane_from_a_destination_that_is_back(
    tmp_path: Path, deliver_settings: Make
) -> None:
    outbox = MemoryOutbox()
    up, failures = False, 0

    def behave(uid: str) -> Exception | None:
        nonlocal failures
        failures += not up
        return None if up else DeliveryError("down")

    settings = deliver_settings(breaker_failures=1, breaker_pause_s=0.1, backoff_initial_s=600, backoff_max_s=3600)
    outbox.put("pacs")
    with running(tmp_path, outbox, settings, to("pacs", 1), connect=lambda c, _: Scripted(c, behave)):
        assert wait_until(lambda: failures > 3)
        up = True
        assert wait_until(lambda: outbox.states() == [SENT])


def test_a_destination_gets_nothing_before_the_time_that_it_asked_for(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    at: list[float] = []

    def behave(uid: str) -> Exception | None:
        at.append(time.monotonic())
        return DeliveryError("429", retry_after_s=0.6) if len(at) == 1 else None

    for _ in range(3):
        outbox.put("pacs")
    settings = deliver_settings(backoff_max_s=300.0)
    with running(tmp_path, outbox, settings, to("pacs", 1), connect=lambda c, _: Scripted(c, behave)):
        assert wait_until(lambda: outbox.states() == [SENT] * 3)
    assert at[1] - at[0] >= 0.6, "the other objects wait, too"

    at.clear()
    outbox.put("pacs")
    settings = deliver_settings(backoff_max_s=0.1)
    with running(tmp_path, outbox, settings, to("pacs", 1), connect=lambda c, _: Scripted(c, behave)):
        assert wait_until(lambda: outbox.states() == [SENT] * 4)
    assert at[1] - at[0] < 0.6, "no longer than the site waits for anybody"


def test_a_refusal_does_not_open_the_breaker(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    for _ in range(10):
        outbox.put("pacs")
    connect = lambda config, _: Scripted(config, lambda uid: DeliveryRefusedError("never"))  # noqa: E731
    with running(tmp_path, outbox, deliver_settings(breaker_failures=2), to("pacs", 1), connect=connect) as lanes:
        assert wait_until(lambda: outbox.states() == [FAILED] * 10)
        assert lanes.snapshot()["pacs"].breaker is BreakerState.CLOSED


def test_an_object_whose_bytes_are_lost_blocks_nothing(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    lost, fine = outbox.put("pacs"), outbox.put("pacs")
    outbox.lose(lost)
    connect = lambda config, _: Scripted(config, lambda uid: None)  # noqa: E731
    with running(tmp_path, outbox, deliver_settings(breaker_failures=1), to("pacs", 1), connect=connect):
        assert wait_until(lambda: outbox.row(fine).state is SENT)
        assert outbox.row(lost).state is QUEUED
        assert wait_until(lambda: outbox.row(lost).attempts > 1)


def test_destinations_come_change_and_go_without_a_restart(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    file = tmp_path / "destinations.toml"
    table = '[[destination]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {}\n'
    with pacs() as first, pacs() as second, running(tmp_path, outbox, deliver_settings()) as lanes:
        outbox.put("pacs")
        stays(lambda: outbox.states() == [QUEUED], for_s=0.1)
        write(file, table.format(first.port))
        assert wait_until(lambda: outbox.states() == [SENT])
        write(file, table.format(second.port))
        assert wait_until(lambda: not first.ae.active_associations)
        outbox.put("pacs")
        assert wait_until(lambda: outbox.states() == [SENT, SENT])
        assert (len(first.stored), len(second.stored)) == (1, 1)
        write(file, "")
        assert wait_until(lambda: lanes.snapshot() == {})
        outbox.put("pacs")
        stays(lambda: outbox.states()[-1] is QUEUED, for_s=0.1)


def test_what_waits_survives_a_restart(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    for _ in range(3):
        outbox.put("pacs")
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        port = dead.getsockname()[1]
        with running(tmp_path, outbox, deliver_settings(), to("pacs", port)):
            assert wait_until(lambda: outbox.row(1).attempts > 0)
    with pacs() as peer, running(tmp_path, outbox, deliver_settings(), to("pacs", peer.port)):
        assert wait_until(lambda: outbox.states() == [SENT] * 3)
    assert len(peer.stored) == 3


def test_stop_finishes_the_object_in_hand_and_releases_the_rest(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    entered = threading.Event()

    def behave(uid: str) -> Exception | None:
        entered.set()
        delay(0.3)
        return None

    for _ in range(10):
        outbox.put("pacs")
    made: list[Scripted] = []

    def connect(config: DestinationConfig, _context: DeliveryContext) -> Scripted:
        made.append(Scripted(config, behave))
        return made[-1]

    with running(tmp_path, outbox, deliver_settings(), to("pacs", 1), connect=connect) as lanes:
        assert entered.wait(LIMIT_S)
        lanes.stop()
        assert outbox.states() == [SENT] + [QUEUED] * 9
        assert outbox.leased() == 0
        assert made[0].closed == 1


def test_stop_does_not_wait_for_ever(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    hang = threading.Event()
    outbox.put("pacs")

    def wait(_uid: str) -> None:
        hang.wait(LIMIT_S)

    connect = lambda config, _: Scripted(config, wait)  # noqa: E731
    with running(tmp_path, outbox, deliver_settings(), to("pacs", 1), connect=connect) as lanes:
        assert wait_until(lambda: lanes.snapshot()["pacs"].in_flight == 1)
        lanes.stop(0.3)
        assert not hang.is_set()
        hang.set()


def test_concurrency_sends_side_by_side(
    tmp_path: Path, deliver_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = MemoryOutbox()
    barrier = threading.Barrier(3, timeout=LIMIT_S)

    def behave(uid: str) -> Exception | None:
        barrier.wait()
        return None

    for _ in range(9):
        outbox.put("pacs")
    monkeypatch.setattr(lane, "BATCH", 3)
    settings = deliver_settings()
    config = to("pacs", 1, concurrency=3)
    with running(tmp_path, outbox, settings, config, connect=lambda c, _: Scripted(c, behave)) as lanes:
        assert wait_until(lambda: outbox.states() == [SENT] * 9)
        assert lanes.snapshot()["pacs"].lanes == 3


def test_a_database_that_is_away_is_waited_out(tmp_path: Path, deliver_settings: Make) -> None:
    outbox = MemoryOutbox()
    outbox.broken = True
    connect = lambda config, _: Scripted(config, lambda uid: None)  # noqa: E731
    with running(tmp_path, outbox, deliver_settings(), to("pacs", 1), connect=connect):
        outbox.put("pacs")
        stays(lambda: outbox.states() == [QUEUED], for_s=0.2)
        outbox.broken = False
        assert wait_until(lambda: outbox.states() == [SENT])


def test_two_processes_do_not_send_the_same_thing_twice(
    tmp_path: Path, deliver_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = MemoryOutbox()
    order: list[str] = []

    def behave(uid: str) -> Exception | None:
        order.append(uid)
        return None

    for _ in range(40):
        outbox.put("pacs")
    monkeypatch.setattr(lane, "BATCH", 4)
    settings = deliver_settings()
    connect = lambda config, _: Scripted(config, behave)  # noqa: E731
    with (
        running(tmp_path, outbox, settings, to("pacs", 1), connect=connect),
        running(tmp_path, outbox, settings, to("pacs", 1), connect=connect),
    ):
        assert wait_until(lambda: outbox.states() == [SENT] * 40)
    assert len(order) == len(set(order)) == 40


def test_the_lease_covers_the_slowest_peer(tmp_path: Path, deliver_settings: Make) -> None:
    leases: list[float] = []

    class Watching(MemoryOutbox):
        def claim(self, destination: str, limit: int, lease_s: float) -> Sequence[Delivery]:
            leases.append(lease_s)
            return super().claim(destination, limit, lease_s)

    outbox = Watching()
    outbox.put("pacs")
    connect = lambda config, _: Scripted(config, lambda uid: None)  # noqa: E731
    settings = deliver_settings(connection_timeout_s=5.0, dimse_timeout_s=10.0)
    with running(tmp_path, outbox, settings, to("pacs", 1), connect=connect):
        assert wait_until(lambda: outbox.states() == [SENT])
    assert leases[0] >= 25.0


@pytest.mark.parametrize(
    ("accepted", "sent_as"),
    [
        ((Comprehensive3DSRStorage, EnhancedSRStorage), Comprehensive3DSRStorage),
        ((EnhancedSRStorage, ComprehensiveSRStorage), ComprehensiveSRStorage),
        ((EnhancedSRStorage,), EnhancedSRStorage),
        ((BasicTextSRStorage,), BasicTextSRStorage),
    ],
)
def test_a_report_goes_in_the_highest_class_that_the_destination_takes(
    tmp_path: Path, deliver_settings: Make, accepted: tuple[str, ...], sent_as: str
) -> None:
    outbox = MemoryOutbox()
    with pacs(classes=accepted) as peer:
        numbers = [outbox.put("pacs", report(Comprehensive3DSRStorage)) for _ in range(3)]
        with running(tmp_path, outbox, deliver_settings(), to("pacs", peer.port)):
            assert wait_until(lambda: outbox.states() == [SENT] * 3)
    assert {outbox.result(number).sop_class_uid for number in numbers} == {sent_as}
    assert sorted(peer.uids()) == sorted(outbox.result(number).sop_instance_uid for number in numbers)


def test_a_destination_that_takes_no_class_of_report_is_told_from_one_that_fails(
    tmp_path: Path, deliver_settings: Make
) -> None:
    outbox = MemoryOutbox()
    with pacs(classes=(SegmentationStorage,)) as peer:
        number = outbox.put("pacs", report(Comprehensive3DSRStorage))
        with running(tmp_path, outbox, deliver_settings(), to("pacs", peer.port)):
            assert wait_until(lambda: outbox.states() == [FAILED])
    assert "Basic Text SR Storage" in outbox.row(number).last_error


def test_a_peer_that_says_no_only_when_it_gets_the_report_gets_it_in_a_lower_class(
    tmp_path: Path, deliver_settings: Make
) -> None:
    outbox = MemoryOutbox()
    with pacs(classes=(Comprehensive3DSRStorage, ComprehensiveSRStorage)) as peer:
        peer.answer = lambda event: 0x0122 if event.request.AffectedSOPClassUID == Comprehensive3DSRStorage else 0x0000
        number = outbox.put("pacs", report(Comprehensive3DSRStorage))
        with running(tmp_path, outbox, deliver_settings(), to("pacs", peer.port)):
            assert wait_until(lambda: outbox.states() == [SENT])
    assert outbox.result(number).sop_class_uid == ComprehensiveSRStorage


@pytest.mark.more
def test_bad_destinations_block_nobody(tmp_path: Path, deliver_settings: Make) -> None:
    """Dead, silent, aborting, refusing and slow peers beside a good one, which is done at once."""
    outbox, may_answer = MemoryOutbox(), threading.Event()
    with (
        pacs() as good,
        pacs() as aborting,
        pacs() as refusing,
        pacs() as slow,
        socket.create_server(("127.0.0.1", 0)) as silent,
        socket.socket() as dead,
    ):
        dead.bind(("127.0.0.1", 0))
        aborting.answer = lambda event: event.assoc.abort() or 0
        refusing.answer = lambda event: 0xA900
        slow.answer = lambda event: 0 if may_answer.wait(LIMIT_S) else 0xC000
        configs = [
            to("dead", dead.getsockname()[1]),
            to("silent", silent.getsockname()[1]),
            to("aborting", aborting.port),
            to("refusing", refusing.port),
            to("slow", slow.port),
            to("good", good.port),
        ]
        for config in configs[:-1]:
            for _ in range(3):
                outbox.put(config.name)
        with running(tmp_path, outbox, deliver_settings(dimse_timeout_s=4.0), *configs) as lanes:
            delay(0.3)  # all the bad ones are busy being bad
            numbers = [outbox.put("good") for _ in range(20)]
            assert wait_until(lambda: all(outbox.row(n).state is SENT for n in numbers))
            # The good one did not wait for its slow neighbour.
            assert SENT not in outbox.states()[12:15]
            may_answer.set()
            assert wait_until(lambda: outbox.states()[9:12] == [FAILED] * 3)
            assert wait_until(lambda: outbox.states()[12:15] == [SENT] * 3)
            assert outbox.states()[:9] == [QUEUED] * 9
            assert wait_until(lambda: "refused" in lanes.snapshot()["dead"].last_error)
            assert "0xA900" in outbox.row(10).last_error
