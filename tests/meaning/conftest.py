"""The shipped packages, opened once, in a process of their own, which takes their memory with it when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
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
_SHIPPED: list[LocalAssessor] = []
"""In the process of the oracle: a node's judgement of single files."""


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    """What is untrue of all that is told of a file."""
    with ProcessPoolExecutor(1, get_context("spawn"), _open_packages) as pool:
        yield lambda path: pool.submit(_untrue, path).result()
        pool.submit(_close_packages).result()


def _open_packages() -> None:
    _SHIPPED.append(LocalAssessor(load_settings(), reports=ReportSettings()))


def _close_packages() -> None:
    _SHIPPED.pop().close()


def _untrue(path: Path) -> list[Untruth]:
    [shipped] = _SHIPPED
    orientation = tuple(pydicom.dcmread(path, stop_before_pixels=True).get("PatientOrientation") or ())
    account = told_of(path, shipped, orientation)
    return [*untrue_statements(account, cards_of(MODELS), codes_of_measurements()), *untrue_elsewhere(account)]
