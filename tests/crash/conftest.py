"""No node outlives a test that failed."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.crash.station import STATIONS
from tests.stages.deliver.receiver import Receiver, receiver


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    """A webhook; the sockets of refused connections go here, and not in the middle of another test."""
    with receiver() as webhook:
        yield webhook
    gc.collect()


@pytest.fixture(autouse=True)
def stations_closed() -> Iterator[None]:
    yield
    while STATIONS:
        STATIONS.pop().close()
