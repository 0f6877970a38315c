# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What derives from a plain radiograph is not judged by rules for plain ones, whichever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.derivation import DerivedReason
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import DERIVED, Verdict
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.stages.units.test_derived_images import BONE, EVENT, OTHER, PLAIN, RAW, SMALL, _all, rig


def test_a_derived_or_raw_image_alone_is_judged_as_it_was_unless_it_says_what_it_shows(rig: Rig, samples: Path) -> None:
    for change, verdict in ((OTHER, Verdict.REVIEW), (RAW, Verdict.REVIEW), (BONE, Verdict.NOT_ASSESSED)):
        number = change["SOPInstanceUID"]
        alone = change | {"IrradiationEventUID": f"{number}.7", "StudyInstanceUID": f"{number}.8"}
        [digest] = _all(rig, samples, alone)
        assert rig.verdict(digest) is verdict
    with rig.database.begin() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(tables.acquisitions)).scalar_one() == 3


def test_a_derived_image_whose_file_is_gone_is_decided_again_by_its_stored_assessment(rig: Rig, samples: Path) -> None:
    [derived] = _all(rig, samples, OTHER)
    assert rig.verdict(derived) is Verdict.REVIEW
    with rig.database.begin() as transaction:
        key = instances.load(transaction, derived).object_key
        values = {"removed_at": datetime.now(UTC), "removal_cause": RemovalCause.AGE.value}
        of = tables.instances
        transaction.execute(sa.update(of).where(of.c.digest == derived).values(**values))
    rig.objects.local_path(key).unlink()
    [plain] = _all(rig, samples, PLAIN)
    assert (rig.verdict(plain), rig.verdict(derived)) == (Verdict.REVIEW, Verdict.NOT_ASSESSED)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, derived)
        counted = transaction.execute(sa.select(tables.acquisitions.c.digest)).scalars().all()
    assert disposition is not None
    assert [(reason.name, disposition.flagged) for reason in disposition.reasons] == [(DERIVED, False)]
    assert counted == [plain]
