"""Fixtures that several folders of unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.runtime.workers.decode import Decoder


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(load_settings()) as decoder:
        yield decoder
