"""Images are listed and found alike on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.policy import Verdict
from miqa_node.features.worklist.rows import browse
from miqa_node.features.worklist.rows.browse import ImageFilter
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import acquisitions, patient_names, studies
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.runtime.store.making import NOW


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MÜLLER^Jörg", "müller"),
        ("Иванова^Анна", "ИВАНОВА^а"),
        ("Σάββας^Γ", "ΣΆΒΒΑΣ"),
        ("ΝΊΚΟΣΙΑ", "νίκος"),
        ("straße", "STRASSE"),
    ],
)
def test_case_does_not_count_in_any_script(name: str, text: str) -> None:
    """SQLite's own ``lower`` would leave all but ASCII as it is."""
    database = Database("sqlite://")
    database.migrate()
    with database.begin() as transaction:
        put(transaction, 1, NOON, verdict=Verdict.ACCEPT)
        transaction.execute(sa.update(studies).values(patient_name=name))
        transaction.execute(sa.update(patient_names).values(patient_name=name))
        transaction.execute(sa.update(acquisitions).values(operator="Jürgen"))
        for search in (text, "JÜRG"):
            match = ImageFilter(NOW - timedelta(days=36500), NOW + timedelta(days=36500), search=search)
            assert len(browse.page(transaction, match, limit=9)) == 1, search
            assert browse.page(transaction, replace(match, search=search[1:]), limit=9) == []
    database.close()
