# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""From results in the store to usual ranges: what is unusual, when a history begins anew, what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.features.retention.rows import erasure
from miqa_node.features.usual_ranges import baseline
from miqa_node.features.usual_ranges.baseline import MeasurementRange, SeriesNumbers
from miqa_node.features.usual_ranges.rows import baselines, history
from miqa_node.features.usual_ranges.rows.baselines import ScannerBaseline, SeriesStanding
from miqa_node.features.usual_ranges.rows.changes import scanner_changes
from miqa_node.features.usual_ranges.tables import usual_baselines, usual_series
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import rollup_marks
from tests.features.usual_ranges.ranges_making import FIRST_AT, days, fill, look, measure, noises
from tests.features.usual_ranges.test_history import NOW, database, listed, one, standing


def test_a_series_that_is_judged_again_with_the_same_numbers_keeps_what_it_was_compared_with(
    database: Database,
) -> None:
    at = fill(database, noises(30))
    same: dict[str, Any] = {"series_instance_uid": "1.2.7.100", "study_instance_uid": "1.2.8.100"}
    first = measure(database, 100, at, {"ct_noise": 20.0})
    look(database)
    [before] = standing(database, first).unusual
    fill(database, noises(40, level=20.0), 101)
    again = measure(database, 300, at, {"ct_noise": 20.0}, **same)
    look(database)
    assert standing(database, again).unusual == (before,)
    assert standing(database, again).digest == again
    changed = measure(database, 301, at, {"ct_noise": 60.0}, **same)
    look(database)
    assert standing(database, changed).unusual != (before,)


def test_a_step_of_the_level_is_shown_with_its_day(database: Database) -> None:
    fill(database, [*noises(40), *noises(20, level=14.0, seed=2)])
    [noise] = [of for of in one(database).ranges if of.measurement == "ct_noise"]
    [shift] = noise.shifts
    assert abs(shift.at - (FIRST_AT + timedelta(days=40))) <= timedelta(days=2)
    assert shift.before == pytest.approx(10.0, abs=0.5)
    assert shift.after == pytest.approx(14.0, abs=0.7)
    assert one(database).newest_shift == shift.at


def test_more_results_than_one_batch_are_all_read(database: Database) -> None:
    for number, at in enumerate(days(230)):
        measure(database, number, at, {"ct_noise": 10.0})
    assert look(database) == 230
    assert one(database).series == 230
