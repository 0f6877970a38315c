"""The site's choices of models, silent opinions, decisions as labels, and the certificate beside a verdict."""

from __future__ import annotations

from alembic import command

from miqa_node.core.domain.policy import Verdict
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.schema import alembic_config
from miqa_node.stages.units.rows import instances
from tests.features.models.rows.test_model_choices import put
from tests.runtime.store.making import digest


def test_verdicts_of_before_the_migration_stay_and_have_none(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1)
    with database.begin() as transaction:
        config = alembic_config()
        config.attributes["connection"] = transaction
        command.downgrade(config, "0001")
    database.migrate()
    with database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest(1))
    assert disposition is not None
    assert (disposition.verdict, disposition.certificate) == (Verdict.REVIEW, "")
