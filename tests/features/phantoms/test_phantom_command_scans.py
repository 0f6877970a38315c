# ruff: noqa: F401, F811 - fixtures of another folder are imported by name
"""``miqa-node phantom`` with two scans under one UID, and with archives; an assessment keeps the kind."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.kinds import series_traits
from tests.features.phantoms.test_phantom_command import images, written
from tests.packages.phantoms.drawing import Acr
from tests.stages.measure.series import making
from tests.stages.report.flagged import decode

pytestmark = pytest.mark.more


def test_two_scans_with_one_uid_are_read_one_by_one(
    cli: Callable[..., Any], tmp_path: Path, images: list[making.Image]
) -> None:
    written(tmp_path / "first", images)
    written(tmp_path / "second", Acr(noise=60.0).images(), "1.2.3.2", PatientName="Other^Name")
    lines = cli("phantom", tmp_path, "--json").lines
    assert [(one["stack"], one["stacks"], one["slices"]) for one in lines] == [(0, 2, 11), (1, 2, 11)]
    assert all("share this Series Instance UID" in one["reason"] for one in lines)
    ratios = sorted(one["results"]["snr_smoothing"]["measured"]["value"] for one in lines)
    assert ratios[1] > 3.0 * ratios[0]


def test_archives_are_read_and_what_is_no_phantom_says_so(
    cli: Callable[..., Any], tmp_path: Path, images: list[making.Image]
) -> None:
    paths = written(tmp_path / "acr", images)
    with zipfile.ZipFile(tmp_path / "acr.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    (packed,) = cli("phantom", tmp_path / "acr.zip", "--json").lines
    assert packed["kind"] == "acr_mr_large"
    making.write_series(tmp_path / "head", [making.head_mr(seed=n) for n in range(6)], "MR")
    (patient,) = cli("phantom", tmp_path / "head", "--json").lines
    assert (patient["kind"], patient["results"]) == ("", {})
    assert "no test object" in patient["reason"]


def test_the_assessment_of_a_series_keeps_the_kind(tmp_path: Path, images: list[making.Image]) -> None:
    paths = written(tmp_path / "acr", images)
    files = [(InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()), path) for path in paths]
    header, _ = read_header(paths[-1])
    traits = series_traits(header)
    assessment = judge_series(header, traits, files[-1][0], files, SliceTools(decode), 1000).assessment
    assert assessment.phantom_kind == "acr_mr_large"
    document = dump_assessment(assessment)
    assert load_assessment(document).phantom_kind == "acr_mr_large"
    del document["phantom_kind"]
    assert load_assessment(document) == replace(assessment, phantom_kind="")
