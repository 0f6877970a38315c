"""Rows that name what is not installed any more, or that have the longest names, are as good as others."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa

from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import acquisition_findings, label_findings, labels, logged_rejects, reject_logs
from miqa_node.stages.deliver.rows import deliveries, delivery_jobs
from miqa_node.stages.units.rows import instances
from tests.parts import results_of
from tests.runtime.store.making import NOW, digest, header, received, study


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
