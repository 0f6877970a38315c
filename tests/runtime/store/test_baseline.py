"""Schemas begin at one baseline: from nothing and from the last schema before it the same tables come of it.

``schema_0068_*.sql`` is what commit b1882697 made of an empty database in 68 migrations, a statement a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.schema import revisions
from miqa_node.stages.units.rows import instances
from tests.conftest import postgres_database
from tests.runtime.store.making import NOW, digest, header, received, study

IN_THE_SCHEMA = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'view', 'trigger') AND sql IS NOT NULL",
    "postgresql": """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'
        UNION SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION SELECT sequencename, data_type::text FROM pg_sequences WHERE schemaname = 'public'""",
}


@pytest.fixture
def of_before(database_url: str) -> Iterator[Database]:
    """A database as the last program before the baseline left it."""
    database = Database(database_url)
    statements = Path(__file__).with_name(f"schema_0068_{database.engine.dialect.name}.sql").read_text("utf-8")
    with database.engine.begin() as connection:
        for statement in statements.splitlines():
            connection.exec_driver_sql(statement.replace("%", "%%"))
    yield database
    database.close()


@pytest.fixture
def from_nothing(of_before: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of the same kind that began with this program."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'new.sqlite'}"
        if not of_before.is_sqlite:
            url = stack.enter_context(postgres_database(request.getfixturevalue("postgres")))
        database = Database(url)
        stack.callback(database.close)
        database.migrate()
        yield database


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_the_schema_from_nothing_is_that_of_before(of_before: Database, from_nothing: Database) -> None:
    of_before.migrate()
    of_before.check()
    before, now = schema_of(of_before), schema_of(from_nothing)
    assert before.keys() == now.keys()
    assert {name: (before[name], now[name]) for name in now if before[name] != now[name]} == {}


def schema_of(database: Database) -> dict[str, Any]:
    """Tables with what belongs to them, indexes, views and triggers, by name; the order of columns does not matter."""
    with database.engine.connect() as connection:
        inspector = sa.inspect(connection)
        tables = {table: _table(inspector, table) for table in inspector.get_table_names()}
        others = connection.exec_driver_sql(IN_THE_SCHEMA[database.engine.dialect.name]).all()
    return {**tables, **{str(name): " ".join(str(text).split()) for name, text in others}}


def _table(inspector: sa.Inspector, table: str) -> dict[str, Any]:
    columns = inspector.get_columns(table)
    return {
        "columns": {one["name"]: {**one, "type": str(one["type"])} for one in columns},
        "primary key": inspector.get_pk_constraint(table),
        "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
        "unique": sorted(map(str, inspector.get_unique_constraints(table))),
        "checks": sorted(map(str, inspector.get_check_constraints(table))),
    }


@pytest.mark.parametrize("schema", ["0001", "0045", "0067"])
def test_an_older_database_is_refused_with_the_commit_that_upgrades_it(of_before: Database, schema: str) -> None:
    assert revisions()[0] > "0067"
    with of_before.begin() as transaction:
        transaction.execute(sa.text("UPDATE alembic_version SET version_num = :schema"), {"schema": schema})
    says = f"schema {schema} of an older miqa-node.*commit f45b6d56"
    with pytest.raises(SettingsError, match=says):
        of_before.migrate()
    with pytest.raises(ResourcesError, match=says):
        of_before.check()


def test_rooms_learn_on_a_new_node_but_not_where_images_were_judged_before(
    of_before: Database, from_nothing: Database
) -> None:
    image = Assessment(digest(1), header(1), NOW)
    with of_before.begin() as transaction:
        instances.record(transaction, image.header, study(1), received(image.digest), "instances/1.dcm")
        instances.save_assessment(transaction, image)
    of_before.migrate()
    for database, learns in ((of_before, False), (from_nothing, True)):
        with database.begin() as transaction:
            assert rooms.do_learn(transaction) is learns
            assert rooms.every(transaction) == []
