# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Objects that people mark: from decisions on the worklist to the export, and on to what training reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import RegionOutline, RequestKind
from miqa_node.core.domain.object_kind import ObjectKind
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.rows import decisions, worklist
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.site_records import label_requests, labels, marks
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.assess.labels import ACCEPTABLE, GOOD, label_of
from tests.features.labels.command.test_labels import table
from tests.features.labels.command.test_marks import config, decide, mark
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import chest_dataset
from tests.web.staging import NOW, Stage


@pytest.mark.long
@pytest.mark.timeout(900)
def test_from_marks_on_the_study_page_to_a_package_that_shows_both_sides(
    cli: Callable[..., Ran],
    config: Path,
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for needed in ("torch", "sklearn", "onnxscript", "scipy"):
        pytest.importorskip(needed)
    from tests.packages.training.more.test_site_objects import write_start

    monkeypatch.chdir(tmp_path)
    start, kinds = write_start(tmp_path), (ObjectKind.SNAP, ObjectKind.NECK, ObjectKind.CLOTHES, ObjectKind.REMOVABLE)
    for number in range(220):
        at = (0.1 + 0.6 * (number % 7) / 7, 0.1 + 0.6 * (number % 5) / 5)
        marks = [mark(kinds[number % 4], at, 0.12)] if number % 2 else []
        resolution = Resolution.ACCEPTED if marks else Resolution.DISMISSED
        decide(stage, number, resolution, marks, patient=f"PID{number // 2}")
        if number == 150:
            assert cli("labels", "export", "early", "--config", config).code == Exit.OK
    words = ("train", "objects", "--start", start, "--out", "candidates", "--version", "0.1.1", "--batch", 4)
    few = cli(*words, "--labels", "early", "--steps", 2)
    assert few.code == Exit.USAGE, few.out + few.err
    assert "75 images with something marked that can be taken off; at least 100 are needed" in few.err
    assert not (tmp_path / "candidates").exists()
    assert cli("labels", "export", "labels", "--config", config).code == Exit.OK
    trained = cli(*words, "--labels", "labels", "--steps", 6)
    assert trained.code == Exit.OK, trained.out + trained.err
    assert "objects-0.1.0: found" in trained.out
    assert "objects-0.1.1: found" in trained.out
    assert "nothing is switched on" in trained.out
    resumed = cli(*words, "--labels", "labels", "--steps", 6)
    assert resumed.out == trained.out, "from the checkpoint of the finished run"
