"""Scanners of two hospitals that look alike: the same station name and model, and no serial number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.features.usual_ranges.rows import baselines
from miqa_node.features.usual_ranges.rows.baselines import ScannerBaseline, SeriesStanding
from miqa_node.features.usual_ranges.rows.changes import ScannerChange, scanner_changes
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import patient_readings, patients
from tests.features.usual_ranges.ranges_making import FIRST_AT, look, measure, noises

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAY = timedelta(days=1)
EARLIER = "836aa97873482758"
"""The name of the history in the version that did not look at hospitals."""


def take(database: Database, number: int, noise: float, authority: str | None, **changed: Any) -> InstanceDigest:
    """The series of that day; three in a thousand days at most are taken at once."""
    at = FIRST_AT + (number % 1000) * DAY + timedelta(minutes=number // 1000)
    return measure(database, number, at, {"ct_noise": noise}, authority=authority, **{"detector_id": "", **changed})


def both(database: Database, count: int = 25, names: tuple[str, str] = ("NORTH", "SOUTH")) -> None:
    """A series a day in each hospital: the scanner of the second has twice the noise."""
    for number, noise in enumerate(noises(count)):
        take(database, number, noise, names[0])
        take(database, 1000 + number, noise + 10.0, names[1])


def histories(database: Database) -> dict[str, ScannerBaseline]:
    """By authority."""
    with database.begin() as transaction:
        listed = baselines.page(transaction, NOW, limit=100)
    assert len({one.scanner.authority for one in listed}) == len(listed)
    return {one.scanner.authority: one for one in listed}


def changes(database: Database) -> list[ScannerChange]:
    with database.begin() as transaction:
        return scanner_changes(transaction)


def standing(database: Database, digest: InstanceDigest) -> SeriesStanding:
    with database.begin() as transaction:
        place = baselines.standing(transaction, digest, NOW)
    assert place is not None
    return place


def medians(database: Database) -> dict[str, int]:
    """Of the noise, by authority."""
    return {name: round(one.ranges[0].median) for name, one in histories(database).items() if one.ranges}


def test_scanners_of_two_hospitals_that_look_alike_have_histories_of_their_own(database: Database) -> None:
    both(database)
    look(database)
    assert {name: one.series for name, one in histories(database).items()} == {"NORTH": 25, "SOUTH": 25}
    assert medians(database) == {"NORTH": 10, "SOUTH": 20}
    assert changes(database) == [], "the one is no change of the other"
    digest = take(database, 40, 20.0, "NORTH")  # as is usual in SOUTH
    look(database)
    assert [one.measurement for one in standing(database, digest).unusual] == ["ct_noise"]
    assert standing(database, digest).baseline.changes == ()


def test_a_scanner_with_serial_number_that_serves_two_hospitals_has_one_history(database: Database) -> None:
    take(database, 1, 10.0, "NORTH", detector_id="SN1")
    take(database, 2, 10.0, "SOUTH", detector_id="SN1")
    look(database)
    assert {name: one.series for name, one in histories(database).items()} == {"": 2}


@pytest.mark.parametrize("authority", ["", None])
def test_without_an_authority_histories_keep_the_names_that_they_had(database: Database, authority: str | None) -> None:
    take(database, 1, 10.0, authority, detector_id="  ")
    look(database)
    assert [one.baseline for one in histories(database).values()] == [EARLIER]


def test_very_long_authorities_that_differ_at_their_end_are_two(database: Database) -> None:
    both(database, 3, (500 * "N", 500 * "N" + "S"))
    look(database)
    assert [one.series for one in histories(database).values()] == [3, 3]
    assert max(map(len, histories(database))) == 128
    read_again(database)
    look(database)
    assert [one.series for one in histories(database).values()] == [3, 3]


def test_a_hospital_that_is_renamed_begins_a_new_history_which_says_so(database: Database) -> None:
    for number in range(25):
        take(database, number, 10.0, "NORTH")
    for number in range(25, 40):
        take(database, number, 10.0, "NORTH CLINIC")
    for number in (1026, 1029):
        take(database, number, 10.0, "NORTH")  # registered before that day
    with capture_logs() as lines:
        look(database)
    assert {name: one.series for name, one in histories(database).items()} == {"NORTH": 27, "NORTH CLINIC": 15}
    [change] = changes(database)
    assert (change.attribute, change.before, change.now) == ("Issuer of Patient ID", "NORTH", "NORTH CLINIC")
    assert (change.at, change.station, change.authority) == (FIRST_AT + 25 * DAY, "CT1", "NORTH CLINIC")
    with database.begin() as transaction:
        assert baselines.load(transaction, histories(database)["NORTH CLINIC"].baseline, NOW).changes == (change,)
    assert not any("NORTH" in str(line) for line in lines)


def test_an_update_in_one_hospital_is_a_change_of_its_scanner_alone(database: Database) -> None:
    both(database, 10)
    take(database, 11, 10.0, "NORTH", software_versions="V2")
    take(database, 1012, 20.0, "SOUTH")
    look(database)
    [change] = changes(database)
    assert (change.attribute, change.before, change.now) == ("Software Versions", "V1", "V2")
    assert change.authority == "NORTH"


def test_a_serial_number_that_comes_with_an_update_is_the_only_change(database: Database) -> None:
    take(database, 1, 10.0, "NORTH")
    take(database, 2, 10.0, "NORTH", detector_id="SN1")
    look(database)
    [change] = changes(database)
    assert (change.attribute, change.before, change.now) == ("Device Serial Number", "", "SN1")


def read_again(database: Database, named: dict[str, str] | None = None) -> None:
    """As ``miqa-node migrate --read-patients`` leaves it, when other settings name the authorities."""
    with database.begin() as transaction:
        for before, now in (named or {}).items():
            change = sa.update(patients).where(patients.c.authority == before)
            transaction.execute(change.values(authority=now))
        values = {"place": 1, "rules": "r", "after_study": "", "images_left": 0}
        transaction.execute(sa.delete(patient_readings))
        transaction.execute(sa.insert(patient_readings).values(**values, done_at=datetime.now(UTC)))


def test_series_follow_when_patients_are_read_by_other_settings(database: Database) -> None:
    """Such as an alias of the name of before, or who assigned the IDs of images without issuer."""
    both(database, 25, ("NORTH", ""))
    take(database, 30, 10.0, "NORTH CLINIC")
    look(database)
    assert set(histories(database)) == {"NORTH", "NORTH CLINIC", ""}
    read_again(database, {"NORTH CLINIC": "NORTH", "": "SOUTH"})
    look(database)
    assert {name: one.series for name, one in histories(database).items()} == {"NORTH": 26, "SOUTH": 25}
    assert medians(database) == {"NORTH": 10, "SOUTH": 20}
    assert histories(database)["NORTH"].last_at == FIRST_AT + 30 * DAY
