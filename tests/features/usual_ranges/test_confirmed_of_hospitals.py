"""Confirmed ranges when series go to the histories of their hospitals: none flags by a range that nobody sees."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.features.usual_ranges.rows import confirmations
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import patients
from tests.features.usual_ranges.ranges_making import FIRST_AT, look, measure, noises
from tests.features.usual_ranges.test_hospitals import histories, read_again
from tests.features.usual_ranges.test_ranges_that_flag import NOW


def confirmed(database: Database, authorities: list[str]) -> str:
    """A series a day of a scanner without serial number; the name of its history."""
    for number, (noise, authority) in enumerate(zip(noises(len(authorities)), authorities, strict=True)):
        at = FIRST_AT + timedelta(days=number)
        measure(database, number, at, {"ct_noise": noise}, authority=authority, detector_id="")
    look(database)
    name = histories(database)[authorities[0]].baseline
    with database.begin() as transaction:
        confirmations.confirm(transaction, name, "mara", NOW)
    return name


def ranges(database: Database, name: str) -> tuple[UsualRange, ...]:
    with database.begin() as transaction:
        return confirmed_ranges.ranges_of(transaction, name)


def test_a_history_that_is_renamed_as_a_whole_stays_confirmed(database: Database) -> None:
    before = confirmed(database, ["NORTH"] * 30)
    read_again(database, {"NORTH": "NORTH CLINIC"})
    look(database)
    after = histories(database)["NORTH CLINIC"].baseline
    assert (len(ranges(database, before)), len(ranges(database, after))) == (0, 1)
    with database.begin() as transaction:
        assert confirmations.withdraw(transaction, after, "mara", NOW).confirmation is None


def test_too_few_series_of_a_hospital_have_no_range_that_flags(database: Database) -> None:
    before = confirmed(database, ["NORTH"] * 30)
    assert ranges(database, before)
    with database.begin() as transaction:  # most were another hospital's
        most = sa.select(patients.c.patient_number).order_by(patients.c.patient_number).limit(20)
        change = sa.update(patients).where(patients.c.patient_number.in_(most)).values(authority="SOUTH")
        transaction.execute(change)
    read_again(database)
    look(database)
    assert histories(database)["NORTH"].series == 10
    assert histories(database)["NORTH"].ranges == ()
    assert ranges(database, before) == ()
