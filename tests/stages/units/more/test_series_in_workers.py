# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Slices are measured in worker processes: with the results that this process has, and a deadly one is one slice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DecodeError
from miqa_node.isolation import tasks
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.runtime.workers.spread import Spread
from miqa_node.stages.assess.series import SeriesResult, judge_series
from miqa_node.stages.measure.series_view import Decode, SliceTools
from miqa_node.stages.units.kinds import series_traits
from tests.stages.measure.series import making
from tests.stages.report.flagged import write_flagged
from tests.stages.units.test_series_in_workers import decode, judged, there, workers


def deadly(path: Path, frame: int = 0) -> Radiograph:
    """Ends the process that it is called in on one slice, and cannot read another."""
    if path.stem.endswith("003"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem.endswith("005"):
        raise DecodeError("The codestream ends early.")
    return decode(path, frame)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_slice_that_kills_its_worker_costs_the_series_one_slice(
    tmp_path: Path, workers: WorkerPool, modality: str
) -> None:
    image = making.body_ct if modality == "CT" else making.head_mr
    paths = making.write_series(tmp_path, [image(seed=seed) for seed in range(9)], modality)
    tools = replace(there(workers, deadly), decode=partial(in_worker, workers))
    result = judged(paths, tools)
    values = {one.name: one.value for one in result.assessment.measurements}
    assert (values["slice_count"], values["slices_unreadable"]) == (9.0, 2.0)
    (issue,) = [one for one in result.assessment.plausibility if one.name == "undecodable_slices"]
    assert issue.message.startswith("2 of 9 slices could not be decoded; the first because: The worker process died")
    sound = judged([path for path in paths if path.stem[-3:] not in ("003", "005")], SliceTools(decode))
    name = "ct_noise" if modality == "CT" else "mr_efc"
    assert values[name] == next(one.value for one in sound.assessment.measurements if one.name == name)


def in_worker(workers: WorkerPool, path: Path, frame: int) -> Radiograph:
    decoded: Radiograph = workers.run(deadly, path, frame)
    return decoded
