"""What an older version left in the database goes on as if this version had written it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from miqa_node.domain.delivery import DeliveryAction, EventNotice, ResultKind, ResultObject
from miqa_node.settings import share_dir
from miqa_node.store import deliveries, delivery_jobs, history, instances
from miqa_node.store.announcements import body_of
from miqa_node.store.database import Database
from tests.parts import results_of
from tests.unit.store.making import NOW, digest, header, received, study

EVENT = "evt_0123456789abcdef0123456789abcdef"
BEFORE = (
    f"INSERT INTO results SELECT '{EVENT}', digest, '', 'STUDY_FLAGGED', '', made_at FROM results",
    f"INSERT INTO events (event_id, body) VALUES ('{EVENT}', '{{}}')",
    f"""INSERT INTO deliveries (sop_instance_uid, destination, state, attempts, next_attempt_at, last_error, queued_at,
        commit_attempts) SELECT '{EVENT}', 'ris', 'QUEUED', 3, next_attempt_at, '', queued_at, 0 FROM deliveries""",
    """INSERT INTO delivery_events (delivery_id, at, action, actor, comment)
        SELECT delivery_id, queued_at, 'hold', 'ada', '' FROM deliveries""",
)


@pytest.mark.slow
def test_events_that_were_results_are_delivered_as_events(database: Database) -> None:
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "k/1")
        report = ResultObject("2.25.1", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), "results/aa/1.dcm")
        deliveries.record_result(transaction, digest(1), report, NOW)
        deliveries.queue(transaction, report, "PACS", NOW)
    migrate(database, "0016")
    with database.begin() as transaction:
        for statement in BEFORE:
            transaction.execute(sa.text(statement))
    migrate(database, "head")
    with database.begin() as transaction:
        [claimed] = deliveries.claim(transaction, "ris", 9, NOW, lease_s=9)
        assert (claimed.item, claimed.attempts) == (EventNotice(EVENT, "study.flagged"), 3)
        assert body_of(transaction, EVENT) == b"{}"
        assert [one.item for one in deliveries.claim(transaction, "PACS", 9, NOW, lease_s=9)] == [report]
        for kind in ("study.flagged", "STUDY_FLAGGED"):
            [job] = delivery_jobs.select(transaction, delivery_jobs.DeliveryFilter(kind=(kind,)), limit=9)
            assert (job.kind, job.sop_instance_uid, job.source_sop_instance_uid) == ("study.flagged", EVENT, "1.2.3.1")
        _job, acts = delivery_jobs.show(transaction, claimed.delivery_id)
        assert [act.actor for act in acts] == ["ada"]
        assert [one.kind for one in history.of_instance(transaction, digest(1)).results] == ["SR", "study.flagged"]
        later = NOW + timedelta(seconds=1)
        delivery_jobs.act(transaction, DeliveryAction.HOLD, int(claimed.delivery_id), "ada", "", later)


def test_a_kind_that_is_no_longer_installed_is_shown_by_its_name(database: Database) -> None:
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "k/1")
        old = ResultObject("2.25.1", "1.2.3", ResultKind("HOLOGRAM"), "results/aa/1.dcm")
        deliveries.record_result(transaction, digest(1), old, NOW)
        deliveries.queue(transaction, old, "a destination that was removed", NOW)
        [job] = delivery_jobs.select(transaction, delivery_jobs.DeliveryFilter(), limit=9)
        assert (job.kind, job.destination) == ("HOLOGRAM", "a destination that was removed")
        assert results_of(transaction, digest(1)) == [old]
        assert deliveries.of_instance(transaction, digest(1))[0].item == old


def migrate(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(share_dir("migrations")))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if revision == "head" else command.downgrade)(config, revision)
