"""Kinds without limits are measured, experimental: NOT_ASSESSED with that reason, whatever the numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.core.domain.verdict import EXPERIMENTAL, Verdict
from miqa_node.core.settings.load import load_settings
from miqa_node.interfaces.cli.assess_json import document
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


@pytest.mark.more
@pytest.mark.parametrize("modality", ["US", "NM"])
def test_what_is_measured_is_experimental(local: LocalAssessor, tmp_path: Path, modality: str) -> None:
    dead = speckle()
    dead[:, 150:160] = 0
    for frames in ([dead], [dead] * 4):
        result = local.assess_file(write(tmp_path / "one.dcm", modality, frames))
        assert result.disposition.verdict is Verdict.NOT_ASSESSED
        assert [one.name for one in result.disposition.reasons] == [EXPERIMENTAL]
        assert document("one.dcm", result, 0.1)["experimental"] is True
        assert result.assessment.measurements
        assert result.assessment.not_assessed.startswith("Measured, experimental: limits for ")


@pytest.mark.more
def test_the_place_of_a_frame_is_said(local: LocalAssessor, tmp_path: Path) -> None:
    result = local.assess_file(write(tmp_path / "clip.dcm", "US", [speckle()] * 4))
    again = result.assessment.measurement("frames_repeated")
    assert again is not None
    assert (again.value, str(again.place)) == (100, "frame 2 of 4")
