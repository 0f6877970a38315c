"""``miqa-node evaluate series`` on drawn series: figures by kind and scanner, and a run that goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from miqa_node.core.domain.moderate_fault import faults_of
from miqa_node.interfaces.cli.app import app
from tests.stages.measure.series import making
from tests.stages.measure.series.test_stacks import walk

pytestmark = pytest.mark.more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A body of ten slices, whose organs change, as of a scanner of GE."""
    organs = [np.where(one > -500.0, one - 40.0, 0.0) for one in walk(10, 0.0)]
    images = [making.layered_ct(3.0, place, edge_px=0.8) + organs[place] * 0.3 for place in range(10)]
    for path in making.write_series(tmp_path / "body", images, "CT", change=making.fine):
        of_slice = pydicom.dcmread(path)
        of_slice.Manufacturer, of_slice.ManufacturerModelName = "GE MEDICAL SYSTEMS", "Revolution"
        of_slice.save_as(path)
    return tmp_path / "body"


def test_a_folder_of_series_is_tried_by_the_policy_and_the_run_goes_on(folder: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    arguments = ["evaluate", "series", str(folder), "--faults", "--lines", str(lines), "--json"]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.stderr
    document = json.loads(first.stdout)
    [row] = document["kinds"]
    assert (row["scanner"], row["kind"], row["series"], row["false_alarms"]) == ("GE Revolution", "body", 1, 0)
    assert set(row["found"]) == {one.name for one in faults_of("CT")}
    for name in (
        "missing slice",
        "swapped slices",
        "doubled slice",
        "lost rows",
        "spacing of a slice",
        "HU of a slice",
    ):
        assert row["found"][name] == 1.0, name

    count = len(lines.read_text("utf-8").splitlines())
    lines.write_text("".join(lines.read_text("utf-8").splitlines(keepends=True)[: count - 3]), "utf-8")
    again = CliRunner().invoke(app, arguments)
    assert len(again.stderr.splitlines()) == 3, "only what is missing is judged"
    assert json.loads(again.stdout) == document
    assert "2.25" not in lines.read_text("utf-8"), "no UID is kept"
