# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Damaged pages of the database: found by its own check, told by readiness, and gone past by fsck."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import BusyError, ResourcesError
from miqa_node.features.backup.rows import Check, Fault
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.integrity import damaged_pages
from miqa_node.runtime.work.queue import migrate_queue
from tests.runtime.store.test_integrity import damage, database, path


@pytest.mark.parametrize("name", ["instances", "results", "deliveries", "workflow_status"])
def test_fsck_goes_past_damage_and_repairs_nothing(path: Path, database: Database, tmp_path: Path, name: str) -> None:
    damage(path, name)
    objects = DiskObjects(tmp_path / "objects")
    orphan = tmp_path / "objects" / "results" / "ab" / f"{'1.2'}.dcm"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    shutil.copystat(__file__, orphan)
    jobs: list[InstanceDigest] = []
    check = Check(
        database, objects, frozenset, frozenset(), lambda _transaction, digest: jobs.append(digest), datetime.now(UTC)
    )
    lines = [one for one in check.run(repair=True) if one.fault is Fault.DATABASE]
    assert any("restore a backup" in one.what for one in lines)
    assert (jobs, orphan.exists()) == ([], True)
