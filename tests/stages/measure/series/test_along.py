"""Measurements along a series: the number of each slice, kept with what the series was judged by."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.series import MeasurementMask, SeriesSnapshot, SliceProfile
from miqa_node.features.worklist.page.study.along import WIDTH, slice_charts
from miqa_node.libraries.plain_statistics.outliers import LEAST_COUNT, outliers
from miqa_node.runtime.store import arrays
from miqa_node.stages.measure import series_run
from miqa_series.ct.noise import CT_NOISE
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged, numbers

NOISE_HU = (12.0, 12.0, 12.0, 12.0, 36.0, 12.0, 12.0, 12.0, 12.0)


def noisy(folder: Path, noise_hu: tuple[float, ...] = NOISE_HU) -> list[Path]:
    """A series whose slices have this noise."""
    return making.write_series(folder, [making.body_ct(hu, seed=n) for n, hu in enumerate(noise_hu)], "CT")


def profiles(snapshot: SeriesSnapshot) -> dict[str, SliceProfile]:
    return {one.measurement: one for one in snapshot.profiles}


def test_each_slice_has_the_noise_that_was_put_into_it(tmp_path: Path) -> None:
    judgement = judged(noisy(tmp_path))
    along = profiles(judgement.snapshot)["ct_noise"]
    assert along.unit == "[hnsf'U]"
    assert along.values == pytest.approx(NOISE_HU, rel=0.15)
    assert outliers(along.values) == [4]
    assert numbers(judgement)["ct_noise"] == pytest.approx(12.0, rel=0.1)


def test_metal_is_seen_on_its_slice_alone(tmp_path: Path) -> None:
    images = [making.body_ct(seed=seed) for seed in range(9)]
    images[2] = making.with_metal(images[2])
    along = profiles(judged(making.write_series(tmp_path, images, "CT")).snapshot)["metal_share"].values
    assert along[2] > 0.5
    assert np.delete(along, 2).max() == 0.0
    assert outliers(along) == [2]


def test_numbers_stand_at_their_slices_beside_a_localizer_and_a_slice_that_cannot_be_read(tmp_path: Path) -> None:
    paths = noisy(tmp_path)
    scout = making.read(paths[0])
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.save_as(paths[0])
    damaged = making.read(paths[2])
    damaged.PixelData = damaged.PixelData[:-1000]
    damaged.save_as(paths[2])

    snapshot = judged(paths).snapshot
    along = profiles(snapshot)["ct_noise"].values
    assert len(along) == len(snapshot.slices) == 9
    assert np.flatnonzero(np.isnan(along)).tolist() == [1, 8], "localizers come last"
    assert np.nanargmax(along) == 3


def test_profiles_are_kept_and_a_version_without_them_reads_the_rest(tmp_path: Path) -> None:
    images = [making.with_metal(making.body_ct(seed=seed)) for seed in range(3)]
    snapshot = judged(making.write_series(tmp_path, images, "CT")).snapshot
    data = arrays.dump_snapshot(snapshot)

    again = arrays.load_snapshot(data)
    assert [one.measurement for one in again.profiles] == [one.measurement for one in snapshot.profiles]
    for before, after in zip(snapshot.profiles, again.profiles, strict=True):
        assert after.unit == before.unit
        np.testing.assert_array_equal(after.values, before.values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "_ALONG", "a name that no array has")  # as version 1.1 reads it
        old = arrays.load_snapshot(data)
    assert old.slices == snapshot.slices
    named = {one.measurement for one in snapshot.masks}
    assert [one.index for one in old.masks if one.measurement in named] == [one.index for one in snapshot.masks]
    assert isinstance(old.masks[-1], MeasurementMask)


def test_a_very_long_series_keeps_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = noisy(tmp_path)
    monkeypatch.setattr(series_run, "MAX_PROFILE_SLICES", len(paths) - 1)
    judgement = judged(paths)
    assert judgement.snapshot.profiles == ()
    assert "ct_noise" in numbers(judgement)


def test_a_measurement_that_fails_on_a_single_slice_still_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> dict[int, float]:
        raise ValueError("one slice is not enough")

    odd = replace(CT_NOISE, along=refuse)
    monkeypatch.setattr(series_run, "measures_of", lambda _: [odd])
    judgement = judged(noisy(tmp_path))
    assert judgement.snapshot.profiles == ()
    assert numbers(judgement)["ct_noise"] == pytest.approx(12.0, rel=0.1)


def test_what_changes_slowly_is_not_outstanding() -> None:
    rising = np.linspace(10.0, 60.0, 80, dtype=np.float32)
    rising += np.random.default_rng(3).normal(0.0, 0.3, 80).astype(np.float32)
    assert outliers(rising) == []
    rising[30] += 12.0
    assert outliers(rising) == [30]
    assert outliers(rising[28 : 28 + LEAST_COUNT - 1]) == [], "too few to say what is usual"


def test_numbers_that_are_counted_in_steps_are_not_outstanding_by_one() -> None:
    """The noise in air of a real CT series: its median absolute deviation is a whole number of HU."""
    steps = np.array([25.2, 23.72, 23.72, 23.72, 22.24, 23.72, 23.72, 25.2, 23.72, 23.72, 23.72, 23.72], np.float32)
    assert outliers(steps) == []
    steps[9] = 38.55
    assert outliers(steps) == [9]


def test_a_number_without_end_is_a_gap_of_the_chart() -> None:
    [chart] = slice_charts([SliceProfile("ct_snr", "1", np.array([2.0, math.inf, 3.0, 4.0], np.float32))], 4)
    assert (chart.low, chart.high) == (2.0, 4.0)


def test_long_series_with_many_measurements_are_compared_at_once() -> None:
    """Number by number this takes several seconds of each view of the page."""
    rows = np.random.default_rng(5).normal(10.0, 1.0, (20, 2000)).astype(np.float32)
    rows[:, [0, -1]] = 90.0
    begin = time.process_time()
    assert all(set(outliers(row)) == {0, 1999} for row in rows)
    assert time.process_time() - begin < 1.0


def test_gaps_of_a_profile_are_not_bridged_and_lone_slices_are_dots() -> None:
    values = np.array([1, 2, np.nan, 3, np.nan, 4, 5], np.float32)
    [chart] = slice_charts([SliceProfile("ct_noise", "[hnsf'U]", values)], 2000)
    lines = [shape for shape in chart.drawing.shapes if type(shape).__name__ == "Line"]
    dots = [shape for shape in chart.drawing.shapes if type(shape).__name__ == "Dot"]
    assert len(lines) == 2
    assert [shape.x for shape in dots if hasattr(shape, "x")] == pytest.approx([WIDTH * 3.5 / 7])
    assert (chart.low, chart.high) == (1.0, 5.0)


def test_charts_with_an_outstanding_slice_come_first() -> None:
    even = np.full(12, 20.0, np.float32)
    odd = even.copy()
    odd[7] = 50.0
    first, second = slice_charts([SliceProfile("ct_snr", "1", even), SliceProfile("ct_noise", "[hnsf'U]", odd)], 2000)
    assert (first.name, [one.number for one in first.outstanding]) == ("ct_noise", [8])
    assert second.outstanding == ()


@pytest.mark.more
def test_a_jump_is_that_of_the_slice_in_its_volume(tmp_path: Path) -> None:
    images = [making.head_mr(900.0 if number == 5 else 600.0, seed=number) for number in range(10)]
    judgement = judged(making.write_series(tmp_path, images, "MR"))
    along = profiles(judgement.snapshot)["slice_jump"].values
    assert math.isnan(along[0])
    assert math.isnan(along[-1])
    assert np.nanargmax(along) == 5
    assert np.nanmax(along) == pytest.approx(numbers(judgement)["slice_jump"])
