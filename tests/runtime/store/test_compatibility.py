"""A program works beside the schema of the next version while that only added to it, and says so when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.interfaces.cli.app import run
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.node import Node
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.schema import alembic_config, revisions, versions
from miqa_node.stages.units.rows import instances
from tests.conftest import free_port
from tests.node.test_node import settings_in, store
from tests.waiting import wait_until

EXPAND = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9998", "{head}", None, None

def upgrade():
    op.create_table("of_the_next_version", sa.Column("number", sa.Integer, primary_key=True))
    op.add_column("instances", sa.Column("of_the_next_version", sa.Text, server_default="x"))
    op.add_column("deliveries", sa.Column("of_the_next_version", sa.Integer))

def downgrade():
    pass
"""
CONTRACT = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "9998", None, None

def upgrade():
    op.execute("UPDATE compatibility SET oldest_schema = '9999'")

def downgrade():
    pass
"""


class NextVersion:
    """The migrations of the next version: one that adds, and one that takes away."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "9998_expand.py").write_text(EXPAND.format(head=revisions()[-1]))
        (folder / "9999_contract.py").write_text(CONTRACT)
        self.config = alembic_config()
        self.config.set_main_option("version_locations", ":".join(map(str, (*versions(), folder))))

    def migrate(self, database: Database, revision: str) -> None:
        with database.engine.begin() as connection:
            self.config.attributes["connection"] = connection
            command.upgrade(self.config, revision)


@pytest.fixture
def next_version(tmp_path: Path) -> NextVersion:
    return NextVersion(tmp_path / "next")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


def test_a_schema_that_was_only_expanded_is_worked_with(database: Database, next_version: NextVersion) -> None:
    next_version.migrate(database, "9998")
    database.check()
    database.migrate()  # as at a start
    database.check()


def test_a_schema_that_was_contracted_is_refused_in_one_sentence(database: Database, next_version: NextVersion) -> None:
    next_version.migrate(database, "9999")
    with pytest.raises(ResourcesError, match="schema 9999 of a newer miqa-node: start that version, or a later one"):
        database.check()
    with pytest.raises(SettingsError, match="schema 9999 of a newer miqa-node: start that version, or a later one"):
        database.migrate()


@pytest.mark.more
def test_a_node_goes_on_beside_the_next_version_and_starts_again(
    tmp_path: Path, samples: Path, next_version: NextVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path)
    with Node(settings) as node:
        store(node.dicom_port, samples / "RG1_UNCR.dcm")
        wait_until(lambda: decided(node) == 1)
        next_version.migrate(node.database, "9998")
        store(node.dicom_port, samples / "RG3_UNCR.dcm")
        wait_until(lambda: decided(node) == 2)
        wait_until(lambda: node.readiness() == [])
    with Node(settings) as node:
        wait_until(lambda: node.readiness() == [])
        store(node.dicom_port, samples / "693_UNCR.dcm")
        wait_until(lambda: decided(node) == 3)
        with node.database.begin() as transaction:
            transaction.execute(sa.text("SELECT of_the_next_version FROM instances")).all()
        next_version.migrate(node.database, "9999")
        wait_until(lambda: "of a newer miqa-node" in str(node.readiness()))
    capsys.readouterr()
    ports = ["--web-port", str(free_port()), "--dicom-port", str(free_port())]
    assert run(["run", "--data-dir", str(tmp_path), *ports]) == Exit.USAGE
    output = capsys.readouterr().err  # behind the reason a thread may still say that it stops
    assert "schema 9999 of a newer miqa-node" in output
    assert "Traceback" not in output


def decided(node: Node) -> int:
    with node.database.begin() as transaction:
        return instances.count(transaction).decided
