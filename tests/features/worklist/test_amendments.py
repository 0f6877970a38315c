"""Archives learn what people decided: amended reports, withdrawn key objects, nothing of what was undone at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import KOS, SR
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.worklist.effect.amendment import Amendments
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.report.outputs.airai import AIRAI
from tests.features.reassess.test_reassessment import SMALL, AgainRig
from tests.node.test_pipeline import FLAG_EVERYTHING


class DecidedRig(AgainRig):
    """A flagged image that people decide about."""

    def decide(self, resolution: Resolution, actor: str = "mara", comment: str = "") -> None:
        with self.database.begin() as transaction:
            study = transaction.execute(sa.select(tables.worklist.c.study_instance_uid)).scalar_one()
            worklist.resolve(transaction, study, resolution, actor, comment, datetime.now(UTC))

    def reopen(self, actor: str = "mara", comment: str = "Undone") -> None:
        with self.database.begin() as transaction:
            study = transaction.execute(sa.select(tables.worklist.c.study_instance_uid)).scalar_one()
            worklist.reopen(transaction, study, actor, comment, datetime.now(UTC))

    def report(self) -> int:
        context, destinations = self.pipeline._context, {SR: ["PACS"], KOS: ["PACS"], AIRAI: ["REGISTRY"]}
        wide = replace(context, reporting=replace(context.reporting, kinds=lambda: {*default_kinds(), AIRAI}))
        return Amendments(wide, lambda kind: destinations.get(kind, [])).make_due()

    def made(self, digest: InstanceDigest, kind: str) -> list[pydicom.FileDataset]:
        """Objects of a kind, oldest first."""
        results = tables.results
        query = sa.select(results.c.object_key).where(results.c.digest == digest, results.c.kind == kind)
        with self.database.begin() as transaction:
            keys = transaction.execute(query.order_by(results.c.generation, results.c.made_at)).scalars().all()
        return [pydicom.dcmread(self.objects.local_path(key)) for key in keys]


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[DecidedRig]:
    rig = DecidedRig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    yield rig
    rig.database.close()


def codes(report: pydicom.Dataset, name: str) -> list[str]:
    """The values of all coded answers to one question."""
    values = []
    for item in report.get("ContentSequence", ()):
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeValue == name:
            values.append(item.ConceptCodeSequence[0].CodeValue)
        values += codes(item, name)
    return values


def titles(notes: list[pydicom.FileDataset]) -> list[str]:
    return [note.ConceptNameCodeSequence[0].CodeValue for note in notes]


def predecessor(report: pydicom.Dataset) -> str:
    [named] = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    return str(named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def test_a_dismissal_amends_the_report_and_withdraws_the_key_object(rig: DecidedRig, samples: Path) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig.decide(Resolution.DISMISSED, comment="necklace is outside the lungs")
    assert rig.report() == 1
    assert rig.report() == 0

    first, amended = rig.made(digest, SR)
    assert predecessor(amended) == first.SOPInstanceUID
    assert (codes(first, "111050"), codes(amended, "111050")) == (["111236"], ["111237"])
    assert codes(amended, "READER_DECISION") == ["DEC_DISMISSED"]
    assert codes(amended, "111052") == []
    assert "mara" in str(amended)
    assert "necklace is outside the lungs" in amended.to_json()
    assert "mara" not in str(first)
    noted, withdrawn = rig.made(digest, KOS)
    assert titles([noted, withdrawn]) == ["113010", "QI_WITHDRAWN"]
    assert noted.SOPInstanceUID in str(withdrawn)
    assert "mara" in str(withdrawn)
    assert rig.queued(digest).count(("SR", "PACS")) == 2
    assert rig.queued(digest).count(("KOS", "PACS")) == 2


def test_a_slip_that_was_undone_at_once_leaves_no_trace_in_archives(rig: DecidedRig, samples: Path) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig.decide(Resolution.DISMISSED)
    rig.reopen()
    rig.decide(Resolution.RETAKEN)
    assert rig.report() == 3

    first, amended = rig.made(digest, SR)
    assert predecessor(amended) == first.SOPInstanceUID
    assert (codes(amended, "READER_DECISION"), codes(amended, "111050")) == (["DEC_RETAKE"], ["111235"])
    assert titles(rig.made(digest, KOS)) == ["113010"]


def test_what_cannot_be_reported_is_said_in_the_history_and_holds_nothing_up(
    rig: DecidedRig, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig.decide(Resolution.DISMISSED)

    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("a header that nobody can write")

    monkeypatch.setattr("miqa_node.features.worklist.effect.amendment.amendments", broken)
    assert rig.report() == 1
    assert rig.report() == 0
    with rig.database.begin() as transaction:
        study = transaction.execute(sa.select(tables.worklist.c.study_instance_uid)).scalar_one()
        assert history.of_worklist(transaction, study)[-1].action == "not reported"
