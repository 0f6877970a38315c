"""Verdicts do not depend on what can be taken out: with and without every feature they are the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node import built_in
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.plugins import Seam
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.conclusion import effects
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.rows import instances
from tests.node.test_pipeline import FLAG_EVERYTHING
from tests.node.test_pipeline import Rig as ImageRig
from tests.stages.measure.series import making
from tests.stages.units.test_derived_images import OTHER, PLAIN, SMALL
from tests.stages.units.test_series_way import Rig

pytestmark = pytest.mark.more


def take_out_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in, "FEATURES", ())
    monkeypatch.setattr(effects, "EFFECTS", Seam("effects", EffectKind))
    assert {"derived_images", "series_verdict", "standing_flag", "person_statement"} <= set(effects.EFFECTS.all())
    assert "worklist" not in effects.EFFECTS.all()


@pytest.fixture(params=[True, False], ids=["all features", "no feature"], autouse=True)
def features(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        take_out_features(monkeypatch)


def test_a_derived_image_is_judged_again_once_its_plain_image_came(
    tmp_path: Path, pool: WorkerPool, samples: Path
) -> None:
    rig = ImageRig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    digests = []
    for change in (OTHER, PLAIN):
        digests.append(rig.receive(samples / SMALL, change))
        rig.queue.jobs.clear()
        rig.finish(digests[-1])
        for again in rig.queue.jobs:
            rig.finish(again)
    assert [rig.verdict(digest) for digest in digests] == [Verdict.NOT_ASSESSED, Verdict.REVIEW]
    rig.database.close()


def test_a_late_slice_gives_the_series_its_verdict_and_lifts_the_flag(tmp_path: Path, pool: WorkerPool) -> None:
    rig = Rig(tmp_path, pool)
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT")
    rig.receive(paths[0], paths[1], paths[3], paths[4])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.REVIEW
    rig.receive(paths[2])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    of = tables.dispositions.c
    with rig.database.begin() as transaction:
        assert set(transaction.execute(sa.select(of.verdict, of.flagged)).all()) == {("ACCEPT", False)}
    rig.database.close()


def test_a_series_is_judged_as_a_person_said(tmp_path: Path, pool: WorkerPool) -> None:
    """The statement is in the database, whoever put it there while the series was judged."""
    rig = Rig(tmp_path, pool)
    rig.receive(
        *making.write_series(tmp_path / "s", [making.with_metal(making.body_ct(seed=n)) for n in range(3)], "CT")
    )
    [anchor] = rig.look(30.0)
    say_phantom(rig, anchor)
    assert rig.finish(anchor) is Verdict.NOT_ASSESSED
    rig.database.close()


def say_phantom(rig: Rig, digest: InstanceDigest) -> None:
    now = datetime.now(UTC)
    with rig.database.begin() as transaction:
        header = instances.load(transaction, digest).header
        row = {
            "series_instance_uid": header.series_instance_uid,
            "study_instance_uid": header.study_instance_uid,
            "digest": digest,
            "reason": "",
            "is_phantom": True,
            "recognised_at": now,
            "decided_by": "mara",
            "decided_at": now,
            "comment": "",
        }
        transaction.execute(sa.insert(tables.phantom_series).values(row))
