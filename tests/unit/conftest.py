"""Fixtures that several folders of unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.runtime.workers.pool import WorkerPool


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(load_settings()) as pool:
        yield pool
