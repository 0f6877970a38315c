# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What may be removed, what stays and why, and that a crash at any point of a removal loses and leaves nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.domain.delivery import CommitmentRequest, ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.object_store import DiskSpace, ObjectStore, Soundness
from miqa_node.core.domain.policy import Disposition, Verdict
from miqa_node.core.domain.retention import RemovalCause, RetentionGroup
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.observe import metrics
from miqa_node.core.settings import load_settings
from miqa_node.errors import ConflictError, NotFoundError, RemovedError, ResourcesError
from miqa_node.features.retention.rows import holds, retention
from miqa_node.features.retention.rows.retention import AgeLimits
from miqa_node.features.retention.work import retention as work_retention
from miqa_node.features.retention.work.retention import Retention
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import labels, retention_clock
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.absence import absence
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import maps_key, original_key, preview_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.receive.rows.arrivals import Arrivals
from miqa_node.stages.receive.rows.commitment_requests import DatabaseLedger
from miqa_node.stages.receive.rows.promises import Promises, Standing
from miqa_node.stages.units.rows import instances, removal
from tests.features.retention.rows.test_retention import _DIGITS, LIMITS, Shelf, shelf
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.runtime.store.test_migrations import migrate


@pytest.mark.parametrize(
    ("held_images", "enabled", "goes"),
    [(False, "new", True), (False, False, False), (True, "new", False), (True, True, True)],
)
def test_originals_go_unasked_only_where_the_database_began_empty(
    shelf: Shelf, held_images: bool, enabled: bool | str, goes: bool
) -> None:
    of = shelf.decide(1)
    if held_images:
        migrate(shelf.database, "0041")
        migrate(shelf.database, "head")
    rules = {"enabled": enabled, "accepted_days": 1, "min_free_percent": 0.0}
    settings = load_settings(node={"data_dir": shelf.folder}, store={"min_free_bytes": 0}, retention=rules)
    with shelf.database.begin() as transaction:
        retention_clock.confirm(transaction, datetime.now(UTC))  # the image came long ago, and nothing since
    Retention(shelf.database, shelf.objects, settings).look()
    assert shelf.has(of) == [not goes]


def test_a_promise_of_before_the_update_is_kept(shelf: Shelf) -> None:

    of, other = shelf.decide(1), shelf.decide(2)
    ledger = DatabaseLedger(shelf.database, shelf.objects)
    request = CommitmentRequest("2.25.1", "CT1", "MIQA", "10.0.0.1", ((header(1).sop_class_uid, "1.2.3.1"),))
    ledger.ask(request, lease_s=9)
    ledger.reported(request)
    migrate(shelf.database, "0019")
    migrate(shelf.database, "head")
    assert (shelf.row(of).promised_at is not None, shelf.row(other).promised_at) == (True, None)
