"""Slices are measured in worker processes: with the results that this process has, and a deadly one is one slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.isolation import tasks
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.runtime.workers.spread import Spread
from miqa_node.stages.assess.series import SeriesResult, judge_series
from miqa_node.stages.measure.series_view import Decode, SliceTools
from miqa_node.stages.units.kinds import series_traits
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


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_workers_measure_what_this_process_would(tmp_path: Path, workers: WorkerPool, modality: str) -> None:
    paths = write_flagged(tmp_path, modality)
    here, elsewhere = judged(paths, SliceTools(decode)), judged(paths, there(workers, decode))
    assert len(here.assessment.measurements) > 8
    assert here.snapshot.masks
    assert comparable(elsewhere) == comparable(here)
