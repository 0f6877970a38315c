"""What tests of pilots share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.features.pilot.judging import PilotJudge


@pytest.fixture(scope="package")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PilotJudge]:
    """What judges images of all tests: to start it takes longer than to judge."""
    settings = load_settings(node={"data_dir": tmp_path_factory.mktemp("node")})
    with closing(PilotJudge(settings)) as judge:
        yield judge
