"""Every measurement and plausibility issue stands in the reference, and nothing stands there that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.dicom.pixels.plausibility import ISSUES
from tests.conftest import ROOT

REFERENCE = ROOT / "docs/reference"
PAGE, PLAUSIBILITY = REFERENCE / "measurements.md", REFERENCE / "plausibility.md"
MODULES = sorted((ROOT / "miqa_node/stages/measure").glob("*/*.py"))


def rows(page: Path) -> dict[str, str]:
    """Name → second column of the tables of a page."""
    return dict(re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]+) \|", page.read_text("utf-8"), re.MULTILINE))


def test_each_has_an_example() -> None:
    lacking = {path.stem for path in MODULES if ">>> " not in path.read_text("utf-8")}
    assert lacking == {"__init__", "body", "patient"}


def test_each_name_is_that_of_its_entry_point() -> None:
    assert {name: one.name for name, one in MEASUREMENTS.all().items()} == {name: name for name in MEASUREMENTS.all()}


def test_every_plausibility_issue_is_documented() -> None:
    assert set(rows(PLAUSIBILITY)) == set(ISSUES)


def test_the_page_is_written_for_users() -> None:
    """A note for programmers opened the section of text in the pixels, with the markup of a docstring."""
    text = PAGE.read_text("utf-8")
    assert re.findall(r":(?:mod|class|func|meth|data|attr):|\.\. \w+|``", text) == []
