# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Images are judged again: reports name their predecessors, key objects are withdrawn, the newest verdict counts."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import KOS, SR, ResultKind
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.reassessment import ReassessmentFilter
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import ConflictError
from miqa_node.features.analysis.rows import measurement_weeks
from miqa_node.features.reassess.reassessment import GONE, UNPLACED, UNREADABLE, WAITING, Reassessment
from miqa_node.features.worklist.rows import corrections, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.projection import ProjectionUnit
from miqa_node.stages.units.rows import instances, judgements
from tests.features.reassess.test_reassessment import PASS_EVERYTHING, SMALL, AgainRig, _killed, rig
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.parts import any_model, results_of


def test_every_step_may_be_killed_and_run_again(
    rig: AgainRig, pool: WorkerPool, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig = rig.under(PASS_EVERYTHING, pool)
    rig.again(uids=(digest,))
    assert rig.again(uids=(digest,)) == 0, "it waits already"
    with monkeypatch.context() as patch:
        patch.setattr(judgements, "save", _killed)
        with pytest.raises(KeyboardInterrupt):
            rig.pipeline.judge(digest)
    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "record_result", _killed)
        with pytest.raises(KeyboardInterrupt):
            rig.pipeline.judge(digest)
    assert rig.verdict(digest) is Verdict.REVIEW, "the transaction is all or nothing"
    made = {path: path.read_bytes() for path in (rig.folder / "objects" / "results").rglob("*.dcm")}
    rig.pipeline.judge(digest)
    assert {path: path.read_bytes() for path in (rig.folder / "objects" / "results").rglob("*.dcm")} == made
    assert rig.verdict(digest) is Verdict.ACCEPT
    state = rig.everything()
    rig.finish(digest)
    rig.pipeline.give_up(digest)
    assert rig.everything() == state


@pytest.mark.peers
def test_validators_blame_the_objects_of_a_repeated_judgement_for_nothing(
    rig: AgainRig, pool: WorkerPool, samples: Path, tmp_path: Path
) -> None:
    from tests.peers.validators import errors, missing_tools

    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig = rig.under(FLAG_EVERYTHING, pool)
    rig.again(uids=(digest,))
    rig.finish(digest)
    first = [rig.files(digest, kind)[0] for kind in (SR, KOS)]
    made = [one for kind in (SR, KOS) for one in rig.files(digest, kind)[1:]]
    assert len(made) == 3
    for ds in (*first, *made):
        ds.save_as(tmp_path / "object.dcm", enforce_file_format=True)
        assert errors(tmp_path / "object.dcm") == []
    rig.database.close()
