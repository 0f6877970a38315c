"""Decisions that are taken back: labels, counts, retakes and events follow the last word."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import decisions
from tests.features.analysis.rows.test_analysis import put
from tests.features.worklist.rows.test_decisions import LATER, STUDY
from tests.runtime.store.making import NOW
from tests.runtime.store.test_migrations import migrate


def test_what_was_decided_before_can_be_taken_back_after_the_update(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1)
        worklist.resolve(transaction, STUDY, Resolution.RETAKEN, "mara", "moved", NOW)
    migrate(database, "0025")
    migrate(database, "head")
    with database.begin() as transaction:
        assert len(labels.of_images(transaction, [it])) == 1
        decision = transaction.execute(sa.select(decisions.c.actor, decisions.c.comment)).one()
        assert (decision.actor, decision.comment) == ("mara", "moved")
        worklist.reopen(transaction, STUDY, "kim", "no", LATER)
        assert labels.of_images(transaction, [it]) == []
