"""Every measurement and plausibility issue stands in the reference, and nothing stands there that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.stages.assess.landmarks import measurands
from miqa_node.stages.assess.text.measurand import IDENTITY_TEXT
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.projection import measure
from tests.conftest import ROOT
from tests.release import tell
from tests.stages.measure.frames.test_nuclear import pet
from tests.stages.measure.phantoms import chest, header, radiograph
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged
from tools.measurements_page import measurements_page

REFERENCE = ROOT / "docs/reference"
PAGE, PLAUSIBILITY = REFERENCE / "measurements.md", REFERENCE / "plausibility.md"
MEASURING = (ROOT / "miqa_node/stages/measure", ROOT / "packages/miqa-node-series/miqa_series")
MODULES = sorted(path for folder in MEASURING for path in folder.glob("*/*.py"))


def rows(page: str) -> dict[str, str]:
    """Name → second column of the tables of a page."""
    return dict(re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]+) \|", page, re.MULTILINE))


def taken(folder: Path) -> dict[str, set[str]]:
    """Every measurement that can be taken, with its units."""
    keys: dict[str, set[str]] = {}
    described = header(target_exposure_index=400.0, deviation_index=0.5)
    for spacing_mm in ((0.15, 0.15), None):
        for measurement in measure(radiograph(chest(), spacing_mm=spacing_mm), described):
            keys.setdefault(measurement.name, set()).add(measurement.unit)
    narrow = chest()
    narrow[:, :100] = 0.0
    for measurement in measure(radiograph(narrow), header(collimator_edges=(101, 512, 1, 512))):
        keys.setdefault(measurement.name, set()).add(measurement.unit)
    for measurement in of_series(folder):
        keys.setdefault(measurement.name, set()).add(measurement.unit)
    # tests/stages/measure/frames takes those of frames.
    keys |= {one.name: set(one.units) for one in MEASUREMENTS.all().values() if isinstance(one, FramesMeasure)}
    # Those of anatomical points need a landmark package; tests/stages/assess/landmarks takes them.
    points = {one.name: {one.unit} for one in vars(measurands).values() if isinstance(one, Measurand)}
    margins = (measurands.LUNG_MARGIN, *measurands.LUNG_MARGINS)
    points |= {
        IDENTITY_TEXT.name: {IDENTITY_TEXT.unit}
    }  # and text needs its recogniser; tests/stages/assess/text has it
    return keys | points | {one.name: {"mm", "%"} for one in margins}  # percent where there is no spacing


def of_series(folder: Path) -> list[Measurement]:
    """What a CT series with everything, an MR series of two volumes and a PET series give."""
    places = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 45.0]
    ct = making.write_series(folder / "ct", [making.layered_ct(seed=n) for n in range(7)], "CT", places, making.fine)
    mr = making.write_series(folder / "mr", [making.head_mr(seed=n) for n in range(12)], "MR", [*places[:6]] * 2)
    pt = making.write_series(folder / "pt", [making.head_mr(seed=n) for n in range(4)], "MR", None, pet)
    return [m for paths in (ct, mr, pt) for m in judged(paths).assessment.measurements]


def test_each_has_an_example() -> None:
    lacking = {path.stem for path in MODULES if ">>> " not in path.read_text("utf-8")}
    assert lacking == {"__init__", "body"}


def test_each_name_is_that_of_its_entry_point() -> None:
    assert {name: one.name for name, one in MEASUREMENTS.all().items()} == {name: name for name in MEASUREMENTS.all()}


def test_every_plausibility_issue_is_documented() -> None:
    assert set(rows(PLAUSIBILITY.read_text("utf-8"))) == set(ISSUES)


def test_the_page_is_written_for_users() -> None:
    """A note for programmers opened the section of text in the pixels, with the markup of a docstring."""
    text = PAGE.read_text("utf-8")
    assert re.findall(r":(?:mod|class|func|meth|data|attr):|\.\. \w+|``", text) == []


@pytest.mark.more
def test_every_measurement_is_documented_with_its_unit(tmp_path: Path) -> None:
    documented = {name: set(unit.strip().split(" or ")) for name, unit in rows(measurements_page("")).items()}
    assert set(documented) == set(MEASUREMENTS.all())
    units = taken(tmp_path)
    assert units == {name: documented[name] for name in units}
    tell(f"no image of tests/stages/measure/test_documented.py has {name}" for name in set(documented) - set(units))
