"""Kinds without limits are measured, experimental: NOT_ASSESSED with that reason, whatever the numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings.load import load_settings
from miqa_node.local import LocalAssessor
from tests.stages.measure.frames.making import speckle, write


@pytest.fixture(scope="module")
def local() -> Iterator[LocalAssessor]:
    with LocalAssessor(load_settings(work={"processes": 1}), calibrated=False) as assessor:
        yield assessor


def test_a_capture_is_measured_and_says_what_it_is(local: LocalAssessor, tmp_path: Path) -> None:
    result = local.assess_file(write(tmp_path / "capture.dcm", "OT", [speckle()]))
    assert result.disposition.verdict is Verdict.NOT_ASSESSED
    assert result.assessment.not_assessed.startswith("This is a secondary capture")
    assert result.assessment.measurement("capture_detail") is not None
