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

decode = tasks.decoding(load_settings())


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    with WorkerPool(load_settings(work={"processes": 2}), preload=(tasks.__name__, __name__)) as made:
        yield made


def judged(paths: list[Path], tools: SliceTools) -> SeriesResult:
    files = [(InstanceDigest(path.stem), path) for path in paths]
    header, _ = read_header(paths[-1])
    return judge_series(header, series_traits(header), files[-1][0], files, tools, 1000)


def there(workers: WorkerPool, function: Decode) -> SliceTools:
    return SliceTools(workers.decode, Spread(partial(workers.run, sender="CT1"), 2), function)


def comparable(result: SeriesResult) -> object:
    """All that is kept of a series but times."""
    assessment = replace(result.assessment, assessed_at=datetime.min.replace(tzinfo=UTC), timings_ms={})
    masks = [(one.measurement, one.index, one.shape, one.bits.tobytes()) for one in result.snapshot.masks]
    shown = None if result.shown is None else np.asarray(result.shown.stored).tobytes()
    return assessment, result.snapshot.slices, masks, shown


def deadly(path: Path, frame: int = 0) -> Radiograph:
    """Ends the process that it is called in on one slice, and cannot read another."""
    if path.stem.endswith("003"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.stem.endswith("005"):
        raise DecodeError("The codestream ends early.")
    return decode(path, frame)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_workers_measure_what_this_process_would(tmp_path: Path, workers: WorkerPool, modality: str) -> None:
    paths = write_flagged(tmp_path, modality)
    here, elsewhere = judged(paths, SliceTools(decode)), judged(paths, there(workers, decode))
    assert len(here.assessment.measurements) > 8
    assert here.snapshot.masks
    assert comparable(elsewhere) == comparable(here)


@pytest.mark.more
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
