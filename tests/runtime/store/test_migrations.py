"""What an older version left in the database goes on as if this version had written it."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.delivery import DeliveryAction, EventNotice, ResultKind, ResultObject
from miqa_node.errors import SettingsError
from miqa_node.features.analysis.tables import logged_rejects, reject_logs
from miqa_node.features.worklist.rows import history
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.schema import alembic_config
from miqa_node.runtime.store.tables import acquisition_findings, compatibility, label_findings, labels
from miqa_node.stages.deliver.rows import deliveries, delivery_jobs
from miqa_node.stages.deliver.rows.announcements import body_of
from miqa_node.stages.units.rows import instances
from tests.parts import results_of
from tests.runtime.store.making import NOW, digest, header, received, study

EVENT = "evt_0123456789abcdef0123456789abcdef"
BEFORE = (
    f"INSERT INTO results SELECT '{EVENT}', digest, '', 'STUDY_FLAGGED', '', made_at FROM results",
    f"INSERT INTO events (event_id, body) VALUES ('{EVENT}', '{{}}')",
    f"""INSERT INTO deliveries (sop_instance_uid, destination, state, attempts, next_attempt_at, last_error, queued_at,
        commit_attempts) SELECT '{EVENT}', 'ris', 'QUEUED', 3, next_attempt_at, '', queued_at, 0 FROM deliveries""",
    """INSERT INTO delivery_events (delivery_id, at, action, actor, comment)
        SELECT delivery_id, queued_at, 'hold', 'ada', '' FROM deliveries""",
)


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


LONGEST = "a" * 64
"""The longest name of a finding (TaxonomyName)."""


def test_every_table_takes_the_longest_name_of_a_finding(database: Database) -> None:
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "k/1")
        day = {"day": NOW.date(), "detector": "", "patient_key": ""}
        transaction.execute(sa.insert(acquisition_findings).values(digest=digest(1), finding=LONGEST, **day))
        transaction.execute(sa.insert(labels).values(label_id=1, digest=digest(1), **_blank(labels)))
        result = {"probability": 0.5, "present": True}
        transaction.execute(sa.insert(label_findings).values(label_id=1, finding=LONGEST, **result))
        transaction.execute(sa.insert(reject_logs).values(log_id=1, **_blank(reject_logs)))
        row = {**_blank(logged_rejects), "key": digest(1), "log_id": 1, "finding": LONGEST}
        transaction.execute(sa.insert(logged_rejects).values(row))
        for view in ("analysis_findings", "analysis_label_findings", "analysis_logged_rejects"):
            assert transaction.execute(sa.text(f"SELECT finding FROM {view}")).scalars().all() == [LONGEST]


def _blank(table: sa.Table) -> dict[str, object]:
    """A value for each required column without a default that refers to nothing."""
    blanks = {str: "", int: 0, float: 0.0, bool: False, date: NOW.date(), datetime: NOW.replace(tzinfo=None)}
    required = [one for one in table.columns if not (one.nullable or one.primary_key or one.foreign_keys)]
    return {
        one.name: [] if isinstance(one.type, sa.JSON) else blanks.get(one.type.python_type, NOW) for one in required
    }


def test_programs_before_compressed_assessments_end_on_sqlite_only_and_read_them_after_a_step_back(
    database: Database,
) -> None:
    is_sqlite = database.engine.dialect.name == "sqlite"
    judged = Assessment(digest(1), header(1), NOW, measurements=(Measurement("entropy", 6.5, "bit"),))
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "k/1")
        instances.save_assessment(transaction, judged)
        oldest = transaction.execute(sa.select(compatibility.c.oldest_schema)).scalar_one()
    assert oldest == ("0045" if is_sqlite else "0035")
    migrate(database, "0043")
    with database.begin() as transaction:
        text = transaction.execute(sa.text("SELECT document FROM assessments")).scalar_one()
        assert instances.load_assessment(transaction, digest(1)) == judged
    document = json.loads(text) if is_sqlite else text
    assert document["digest"] == digest(1)


def migrate(database: Database, revision: str) -> None:
    config = alembic_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        is_newer = revision == "head" or not sa.inspect(connection).has_table("alembic_version")
        (command.upgrade if is_newer else command.downgrade)(config, revision)


@pytest.mark.more
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


SITE_VIEWS = (
    "CREATE ROLE reads_analysis",
    "CREATE VIEW by_finding AS SELECT finding, count(*) AS images FROM analysis_findings GROUP BY finding",
    """CREATE VIEW "Frequent findings" AS SELECT finding FROM by_finding WHERE images > 9""",
    "GRANT SELECT ON analysis_findings TO reads_analysis WITH GRANT OPTION",
    "GRANT SELECT ON by_finding TO PUBLIC",
    "ALTER VIEW by_finding OWNER TO reads_analysis",
)


@pytest.mark.more
@pytest.mark.peers
def test_views_of_the_site_and_their_rights_survive_wider_names(postgres_url: str) -> None:
    database = Database(postgres_url)
    migrate(database, "0042")
    with database.engine.begin() as connection:
        for statement in SITE_VIEWS:
            connection.exec_driver_sql(statement)
        before = _views(connection)
    migrate(database, "head")
    with database.engine.begin() as connection:
        after = _views(connection)
        for statement in ("DROP OWNED BY reads_analysis CASCADE", "DROP ROLE reads_analysis"):
            connection.exec_driver_sql(statement)
    database.close()
    assert after == before
    assert {"by_finding", "Frequent findings", "analysis_label_findings"} <= after.keys()


@pytest.mark.more
@pytest.mark.peers
def test_a_materialized_view_of_the_site_is_left_to_the_site(postgres_url: str) -> None:
    database = Database(postgres_url)
    migrate(database, "0042")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE MATERIALIZED VIEW copies AS SELECT finding FROM analysis_findings")
    with pytest.raises(SettingsError, match="copies shows a column that must change: drop it"):
        migrate(database, "head")
    database.close()


def _views(connection: sa.Connection) -> dict[str, tuple[object, ...]]:
    """Owner, rights and query of every view."""
    query = """SELECT relname, pg_get_userbyid(relowner), (SELECT array_agg(one::text ORDER BY one::text) FROM
        unnest(coalesce(relacl, acldefault('r', relowner))) AS one), pg_get_viewdef(oid)
        FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace"""
    return {name: tuple(rest) for name, *rest in connection.exec_driver_sql(query)}
