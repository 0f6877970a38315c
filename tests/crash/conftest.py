"""No node outlives a test that failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.station import STATIONS


@pytest.fixture(autouse=True)
def stations_closed() -> Iterator[None]:
    yield
    while STATIONS:
        STATIONS.pop().close()
