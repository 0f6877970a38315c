"""Fixtures that several folders of unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from miqa_node.imaging.decode import Decoder
from miqa_node.settings import load_settings


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(load_settings()) as decoder:
        yield decoder
