"""What other distributions add is in the reference, and a finding of theirs can be all that an own one is."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset

from miqa_node import plugins
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.taxonomy.lookup import quality_score
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.watch import watch
from miqa_node.features.worklist.page.study.images import StudyImage
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import acquisition_findings
from miqa_node.stages.report.gsps_shutter import add_shutter
from miqa_node.stages.report.source import read_source
from tests.conftest import ROOT
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.runtime.store.making import digest
from tests.stages.report import making
from tools.conformance import conformance_page
from tools.findings_page import findings_page
from tools.measurements_page import measurements_page

DETECTOR_EDGE = """
from miqa_node.core.domain.finding import FindingName, FindingWords
from miqa_node.core.taxonomy.base import FindingEntry, Taxonomy
miqa_api = 1
ENTRY = FindingEntry(reason="111214", words={"en": FindingWords("Dead edge")},
                     fine=True, at_border=True, of_detector=True, expected=True)
TAXONOMY = Taxonomy({FindingName("dead_edge"): ENTRY}, {})
"""


def install(folder: Path, name: str, entry_points: dict[str, dict[str, str]]) -> None:
    """Entry points of a distribution, as pip would lay them out."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{group}]\n{key} = {value}\n" for group, rows in entry_points.items() for key, value in rows.items()]
    (info / "entry_points.txt").write_text("".join(lines))


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three of the examples, and a finding with every property."""
    for example in [ROOT / "examples" / name for name in ("finding", "measurement", "output")]:
        project = tomllib.loads((example / "pyproject.toml").read_text("utf-8"))["project"]
        install(tmp_path, project["name"], project["entry-points"])
        for module in example.glob("*.py"):
            shutil.copy(module, tmp_path)
    install(tmp_path, "miqa-example-edge", {"miqa.taxonomies": {"edge": "miqa_example_edge:TAXONOMY"}})
    (tmp_path / "miqa_example_edge.py").write_text(DETECTOR_EDGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.allow(["miqa-example-*"])  # another list than that of other tests, so everything is loaded anew
    yield
    plugins.allow(plugins.EVERYTHING)
    for name in [name for name in sys.modules if name.startswith("miqa_example_")]:
        del sys.modules[name]


@pytest.mark.usefixtures("others")
def test_a_finding_of_another_distribution_has_every_property_of_an_own_one(tmp_path: Path) -> None:
    finding = Finding(FindingName("dead_edge"), OTHER_FAILURE, 0.9, 0.8, 0.5)
    assert quality_score([finding]) == 100.0
    image = StudyImage(cast("Any", None), (), (finding,), (), (), {}, None, (), "")
    assert image.magnified == (0.5, 0.5)
    source = read_source(making.write(making.small(), tmp_path / "source.dcm"))
    stored = np.zeros(source.shape, np.uint16)
    stored[20:-20, 20:-20] = np.arange(source.columns - 40)
    state = Dataset()
    add_shutter(state, source, replace(making.assessment(), findings=(finding,)), stored)
    assert state.ShutterShape == "RECTANGULAR"


@pytest.mark.usefixtures("others")
def test_a_finding_of_the_detector_at_one_place_again_and_again_is_a_defect_of_the_device(database: Database) -> None:
    with database.begin() as transaction:
        for number in range(1, 61):
            put(transaction, number, patient=number, detector_id="D7")
        of = acquisition_findings
        for number in range(1, 41):  # the others stay at one place
            transaction.execute(sa.update(of).values(x=number / 61, y=0.5).where(of.c.digest == digest(number)))
        transaction.execute(sa.update(of).values(finding="dead_edge"))
        period = Period(NOON.date() - timedelta(days=1), NOON.date() + timedelta(days=1))
        [recurrence] = watch(transaction, period).recurrences
    assert (recurrence.detector, round(recurrence.x, 2), round(recurrence.y, 2)) == ("D7", 0.25, 0.75)


@pytest.mark.more
@pytest.mark.usefixtures("others")
def test_the_reference_lists_what_other_distributions_add() -> None:
    assert "| `patient_motion` | Patient motion | the patient moved between two exposures |" in findings_page("")
    assert "| patient_motion | hard | if present | never |" in findings_page("")
    assert "| `skipped_values` | % |" in measurements_page("")
    assert "##### LIGHT: " in conformance_page()
