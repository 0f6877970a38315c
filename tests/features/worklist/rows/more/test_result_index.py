# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Results are found alike on SQLite and on PostgreSQL, by what their headers say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage

from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.instance import SopInstanceUid
from miqa_node.core.domain.search_keys import SEARCH_KEYS, SearchLevel
from miqa_node.errors import QueryError
from miqa_node.runtime.store import result_index, tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances
from tests.features.worklist.rows.test_result_index import PROCEDURE, STEP, find, items, keep, objects, receive
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.runtime.store.test_migrations import migrate
from tests.stages.deliver.making import as_file, report


def test_objects_with_several_requests_are_read_again_after_an_update(database: Database, objects: DiskObjects) -> None:
    """An older version did not keep the place of an item without a value."""
    keep(database, objects, 1, RequestAttributesSequence=items(("STEP1", ""), ("STEP2", "RP2")))
    receive(database, objects, 11, RequestAttributesSequence=items(("STEP1", ""), ("STEP2", "RP2")))
    query = {STEP: "STEP1", PROCEDURE: "RP2"}
    assert find(database, objects, **query) == set()
    assert result_index.complete_sources(database, objects, 9.0)
    old = {"requested_procedure_id": "RP2"}
    with database.begin() as transaction:
        transaction.execute(sa.update(tables.results).values(old))
        transaction.execute(sa.update(tables.source_headers).values(old))
    assert find(database, objects, **query) == {"2.25.1", "1.2.3.11"}
    migrate(database, "0040")
    migrate(database, "head")
    assert result_index.complete_sources(database, objects, 9.0)
    assert find(database, objects, **query) == set()
    assert find(database, objects, **{STEP: "STEP2", PROCEDURE: "RP2"}) == {"2.25.1", "1.2.3.11"}
