"""Prepared statements differ from others only in what they cost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.errors import ResourcesError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.store.database import Database, insert_or_ignore
from miqa_node.runtime.store.prepared import DriverStatement, among
from miqa_node.runtime.store.tables import executors, series

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
ROW = {"series_instance_uid": "1.2", "modality": "CT", "expected": 3, "arrived_at": NOW, "pending": True}


def test_values_come_back_as_from_any_other_statement(database: Database) -> None:
    with database.begin() as transaction:
        assert insert_or_ignore(transaction, series, ROW)
        assert not insert_or_ignore(transaction, series, ROW)
        transaction.execute(sa.insert(series), {**ROW, "series_instance_uid": "1.3"})
    with database.begin() as transaction:
        first, second = transaction.execute(sa.select(series).order_by(series.c.series_instance_uid)).all()
    assert first == (*ROW.values(),)
    assert first[1:] == second[1:]


def test_rows_come_back_as_from_any_other_statement(database: Database) -> None:
    query = sa.select(series, sa.literal(3).label("three")).order_by(series.c.series_instance_uid)
    prepared = DriverStatement(lambda _dialect: query)
    listed = DriverStatement(
        lambda dialect: query.where(among(dialect, series.c.series_instance_uid, "uids"), series.c.modality == "CT")
    )
    with database.begin() as transaction:
        assert prepared.run(transaction, {}) is None
        for uid in ("1", "2", "3"):
            insert_or_ignore(transaction, series, {**ROW, "series_instance_uid": uid})
        rows, plain = prepared.all(transaction, {}), transaction.execute(query).all()
        some = listed.all(transaction, {"uids": ["1", "3", "4"]})
        assert listed.all(transaction, {"uids": []}) == []
    assert rows == plain
    assert [row.series_instance_uid for row in some] == ["1", "3"]
    assert (some[0].arrived_at, some[0].pending, some[0].three) == (NOW, True, 3)


def test_other_columns_are_another_statement(database: Database) -> None:
    with database.begin() as transaction:
        insert_or_ignore(transaction, executors, {"name": "a", "started_at": NOW, "heartbeat_at": NOW})
        values = {"heartbeat_at": NOW, "name": "b", "started_at": NOW.replace(year=2025)}
        insert_or_ignore(transaction, executors, values)
        years = transaction.execute(sa.select(executors.c.started_at).order_by(executors.c.name)).scalars()
        assert [one.year for one in years] == [2026, 2025]


def test_an_error_is_that_of_sqlalchemy_and_undoes_the_transaction(database: Database) -> None:
    plain = DriverStatement(lambda _dialect: sa.insert(series))
    with pytest.raises(sa.exc.IntegrityError) as caught, database.begin() as transaction:
        plain.run(transaction, ROW)
        plain.run(transaction, ROW)
    assert "CT" not in str(caught.value), "values may be of patients"
    with database.begin() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(series)).scalar_one() == 0


def test_a_broken_connection_is_not_used_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'miqa.db'}")
    database.migrate()
    with database.begin() as transaction:
        transaction.exec_driver_sql("PRAGMA query_only=ON")  # as after a failure of the disk
    with pytest.raises(ResourcesError), database.begin() as transaction:
        insert_or_ignore(transaction, series, ROW)
    with database.begin() as transaction:
        assert insert_or_ignore(transaction, series, ROW)
    database.close()


def test_several_records_of_the_audit_trail_are_added_in_order(database: Database) -> None:
    entries = [records.AuditEntry(AuditEvent.STARTED, NOW, detail={"number": n}) for n in range(3)]
    with database.begin() as transaction:
        records.add(transaction, *entries)
        details = [one.detail for one in records.select(transaction, AuditFilter(limit=10))]
    assert details == ['{"number":2}', '{"number":1}', '{"number":0}']
