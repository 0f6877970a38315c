"""Counts by day and dimension are those of the exposures themselves, also after something changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from miqa_node.features.analysis.rows import census, rollup
from miqa_node.features.analysis.rows.census import AcquisitionCounts, Period
from miqa_node.runtime.store.database import Database
from tests.features.analysis.rows.test_census import LATER, PERIOD, fill, reject


@pytest.mark.parametrize("modality", ["", "DX"])
def test_single_exposures_and_the_roll_up_say_the_same(database: Database, modality: str) -> None:
    dimensions = (rollup.ALL, rollup.REASON, *rollup.DIMENSIONS)
    room = replace(PERIOD, modality=modality, room="Thorax 1")
    chest = replace(PERIOD, modality=modality, body_part="CHEST")  # which all of them are
    with database.begin() as transaction:
        made = fill(transaction)
        reject(transaction, made[4])
        rollup.refresh(transaction, LATER)

        def counted(period: Period) -> tuple[object, object]:
            by = census.by_dimensions(transaction, period, dimensions)
            days = census.by_day(transaction, period)
            return {name: [near(one) for one in by[name]] for name in dimensions}, [(d, near(c)) for d, c in days]

        single = replace(room, body_part="CHEST")  # the roll-up does not know both together
        assert single.combined
        assert not room.combined
        assert counted(room) == counted(single) != counted(chest)
        assert counted(chest) == counted(replace(PERIOD, modality=modality))


def near(counts: AcquisitionCounts) -> AcquisitionCounts:
    return replace(counts, ei_log_sum=round(counts.ei_log_sum, 6), di_sum=round(counts.di_sum, 6))
