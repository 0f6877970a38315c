"""The one step of a made site that is not real: what a node recorded within minutes becomes two months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from demo.site.past import SENT_AFTER, move_ahead, move_to_past
from demo.site.plan import DAYS, MR, PHANTOM, plan
from miqa_node.core.domain.access import Role
from miqa_node.runtime.store import tables
from tests.web.people import add_account
from tests.web.staging import Stage

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_delays_stay_and_each_study_stands_where_it_was_exposed(stage: Stage) -> None:
    database, began = stage.services.database, datetime.now(UTC)
    early, _ = stage.add(1, at=began + timedelta(seconds=2))
    today, _ = stage.add(2, at=began + timedelta(seconds=3))
    add_account(stage, "ada", Role.ADMIN)
    exposed: dict[str, datetime] = {early: NOW - timedelta(days=50), today: NOW}

    move_to_past(database, exposed, began, datetime.now(UTC))
    move_ahead(database, timedelta(hours=1))

    with database.begin() as transaction:
        of, flags = tables.instances.c, tables.worklist.c
        received = transaction.execute(sa.select(of.study_instance_uid, of.received_at)).all()
        flagged = transaction.execute(sa.select(flags.study_instance_uid, flags.flagged_at)).all()
        added = transaction.execute(sa.select(tables.users.c.created_at)).scalar_one()
    expected = {(study, moment + SENT_AFTER + timedelta(hours=1)) for study, moment in exposed.items()}
    assert {(row[0], row[1]) for row in received} == expected == {(row[0], row[1]) for row in flagged}
    assert added < began - timedelta(days=DAYS - 1)


def test_a_plan_has_machines_faults_and_two_months() -> None:
    exposures = plan(300, 40, NOW)
    assert sum(bool(one.fault) for one in exposures) > 100
    assert sum(one.shows == PHANTOM for one in exposures) == 40
    assert {one.software for one in exposures if one.shows == MR} == {"5.7.1", "11.1.0"}
    assert exposures[0].at < NOW - timedelta(days=DAYS - 5) < NOW - timedelta(minutes=5) < NOW
    assert exposures[-1].at < NOW
