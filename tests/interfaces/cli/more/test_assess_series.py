# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""``assess`` on folders with slices: one line a series, as a node judges them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.interfaces.cli.test_assess_series import SLICES, config, head
from tests.stages.assess.making import write_package
from tests.stages.units.test_series_fragments import capture
from tests.web.staging import phantom_png


def test_lines_for_people_name_the_folder(cli: Callable[..., Ran], config: Path, head: Path, tmp_path: Path) -> None:
    capture(tmp_path / "beside", 3)
    ran = cli("assess", head, tmp_path / "beside", "--config", config)
    series, beside = ran.out.splitlines()
    assert f"{head} (CT series, 4 files)" in series
    assert "beside" in beside
