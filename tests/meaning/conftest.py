"""The shipped packages, opened once, and what is listed of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.settings import load_settings
from miqa_node.local import LocalAssessor
from miqa_node.stages.report.made import ReportSettings
from tests.meaning.checks import Untruth, cards_of, untrue_statements
from tests.meaning.surfaces import untrue_elsewhere
from tests.meaning.telling import codes_of_measurements, told_of

MODELS = Path(__file__).resolve().parents[2] / "models"
Oracle = Callable[[Path], list[Untruth]]


@pytest.fixture(scope="session")
def shipped() -> Iterator[LocalAssessor]:
    """A node's judgement of single files with the shipped packages."""
    with LocalAssessor(load_settings(), reports=ReportSettings()) as assessor:
        yield assessor


@pytest.fixture(scope="session")
def oracle(shipped: LocalAssessor) -> Oracle:
    """What is untrue of all that is told of a file."""
    cards, codes = cards_of(MODELS), codes_of_measurements()

    def ask(path: Path) -> list[Untruth]:
        orientation = tuple(pydicom.dcmread(path, stop_before_pixels=True).get("PatientOrientation") or ())
        account = told_of(path, shipped, orientation)
        return [*untrue_statements(account, cards, codes), *untrue_elsewhere(account)]

    return ask
