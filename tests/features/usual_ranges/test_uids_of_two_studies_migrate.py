"""A step back from migration 0066, whose tables tell series of one UID in two studies apart, and forward again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, SeriesInstanceUid
from miqa_node.features.usual_ranges.tables import usual_series
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import phantom_series, rollup_marks
from tests.features.usual_ranges.ranges_making import FIRST_AT, look, measure
from tests.features.usual_ranges.test_hospitals import NOW, histories
from tests.runtime.store.test_migrations import migrate

pytestmark = pytest.mark.more

SHARED = SeriesInstanceUid("1.2.7.1")


def subjects(database: Database) -> dict[str, str]:
    """By digest."""
    with database.begin() as transaction:
        rows = transaction.execute(sa.select(usual_series.c.digest, usual_series.c.subject)).all()
    return {row.digest: row.subject for row in rows}


def say_phantom(database: Database, digest: InstanceDigest, study: str, decided_by: str) -> None:
    values = {"series_instance_uid": SHARED, "study_instance_uid": study, "digest": digest, "reason": "water"}
    statement = {"is_phantom": True, "recognised_at": NOW, "decided_by": decided_by, "comment": ""}
    with database.begin() as transaction:
        transaction.execute(sa.insert(phantom_series).values(**values, **statement))


def statements(database: Database) -> set[tuple[str, str]]:
    of = phantom_series.c
    query = sa.select(of.study_instance_uid, of.decided_by)
    with database.begin() as transaction:
        return {(row.study_instance_uid, row.decided_by) for row in transaction.execute(query).all()}


def test_names_of_series_go_back_and_forth(database: Database) -> None:
    [one, other] = [measure(database, number, FIRST_AT, {"ct_noise": 10.0}) for number in (1, 2)]
    look(database)
    before, listed = subjects(database), histories(database)
    migrate(database, "0065")
    assert subjects(database) == {one: "1.2.7.1", other: "1.2.7.2"}
    migrate(database, "head")
    assert subjects(database) == before
    assert histories(database) == listed
    assert look(database) == 0


@pytest.mark.parametrize("decided", [1, 2])
def test_what_the_version_before_cannot_tell_apart_is_made_anew(database: Database, decided: int) -> None:
    for number in (1, 2):
        digest = measure(database, number, FIRST_AT, {"ct_noise": 10.0}, series_instance_uid=SHARED)
        say_phantom(database, digest, f"1.2.8.{number}", "mara" if number == decided else "")
    look(database)
    before = subjects(database)
    migrate(database, "0065")
    assert statements(database) == {(f"1.2.8.{decided}", "mara")}
    assert subjects(database) == {}
    with database.begin() as transaction:
        marks = transaction.execute(sa.select(rollup_marks.c.name)).scalars().all()
    assert not [name for name in marks if name.startswith("usual ranges")]
    migrate(database, "head")
    assert look(database) == 2
    assert subjects(database) == before
