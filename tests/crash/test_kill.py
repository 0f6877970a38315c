"""kill -9 under load: what was answered with 0x0000 has exactly one SR at the PACS and one event at the webhook.

A real node in a child process, a real SCU that keeps sending, a real SCP and a real HTTP server that outlive the node.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.kills import kill_at_random, kill_in_bursts
from tests.crash.station import LIMIT_S, SOUND, Pacs, Station
from tests.stages.deliver.receiver import Receiver
from tests.waiting import wait_until

KILLS = 12
SEED = 20260102


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.close()
    gc.collect()  # the sockets of refused connections go here, and not in the middle of another test


# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.timeout(900)
def test_processes_killed_at_random_instants(tmp_path: Path, samples: Path, webhook: Receiver) -> None:
    station = Station(tmp_path, samples, webhook)
    counts = kill_at_random(station, KILLS, SEED)
    wait_until(lambda: len(station.scanner.answered) > 50, LIMIT_S, "the load is worth its name")
    counts |= station.finish()
    print(json.dumps(counts))
    assert len(counts["kills"]) == 3
    assert {name: counts[name] for name in SOUND} == SOUND


@pytest.mark.more
@pytest.mark.filterwarnings(
    "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.timeout(900)
def test_bursts_of_kills_blame_no_image(tmp_path: Path, samples: Path, webhook: Receiver) -> None:
    station = Station(tmp_path, samples, webhook)
    counts = kill_in_bursts(station, KILLS, SEED) | station.finish()
    print(json.dumps(counts))
    assert counts["bursts"] > 1
    assert {name: counts[name] for name in SOUND} == SOUND
