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

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.delivery import KOS, SR
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.worklist.effect.amendment import Amendments
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.conclusion.effects import Declining
from miqa_node.stages.report.outputs.airai import AIRAI
from tests.features.reassess.test_reassessment import PASS_EVERYTHING, SMALL, AgainRig
from tests.node.test_pipeline import FLAG_EVERYTHING, flagged_only


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

    def report(self, declining: Declining = lambda _modality, _verdict: ()) -> int:
        context, destinations = self.pipeline._context, {SR: ["PACS"], KOS: ["PACS"], AIRAI: ["REGISTRY"]}
        wide = replace(context, reporting=replace(context.reporting, kinds=lambda: {*default_kinds(), AIRAI}))
        return Amendments(wide, lambda kind: destinations.get(kind, []), declining=declining).make_due()

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


@pytest.mark.parametrize(
    ("resolution", "sent"), [(Resolution.CONFIRMED, ["AIRAI", "SR"]), (Resolution.DISMISSED, ["AIRAI"])]
)
def test_an_accepted_image_goes_to_a_destination_of_flagged_ones_once_a_person_rejects_it(
    tmp_path: Path, pool: WorkerPool, samples: Path, resolution: Resolution, sent: list[str]
) -> None:
    rules, declining = AcquisitionRules(key=b"k", audit_share=1.0), flagged_only(tmp_path)
    rig = DecidedRig(tmp_path, pool, parse_policy(PASS_EVERYTHING), rules=rules, declining=declining)
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    assert rig.queued(digest) == [("SR", "ARCHIVE")]
    rig.decide(resolution)
    assert rig.report(declining) == 1
    assert sorted(kind for kind, to in rig.queued(digest) if to != "ARCHIVE") == sent
    rig.reopen()
    rig.report(declining)
    assert [kind for kind, _ in rig.queued(digest)].count("SR") == (3 if "SR" in sent else 1), "as the former one"
    rig.database.close()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_dismissed_image_goes_to_a_destination_of_flagged_ones_if_its_report_did(
    rig: DecidedRig, samples: Path, is_new: bool
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    if is_new:
        with rig.database.begin() as transaction:
            transaction.execute(sa.delete(tables.deliveries).where(tables.deliveries.c.destination == "PACS"))
    before = rig.queued(digest)
    rig.decide(Resolution.DISMISSED)
    rig.report(flagged_only(rig.folder))
    after = [kind for kind, to in rig.queued(digest)[len(before) :] if to == "PACS"]
    assert sorted(after) == ([] if is_new else ["KOS", "SR"])


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


@pytest.mark.more
def test_a_decision_is_the_last_word_also_after_the_image_was_judged_again(
    rig: DecidedRig, pool: WorkerPool, samples: Path
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig.decide(Resolution.DISMISSED)
    rig.report()
    rig.database.close()
    rig = DecidedRig(rig.folder, pool, parse_policy(FLAG_EVERYTHING | {"version": "another"}))
    rig.again(uids=(digest,))
    rig.finish(digest)
    assert rig.report() == 1
    assert rig.report() == 0

    *_, again, decided = rig.made(digest, SR)
    assert (codes(again, "READER_DECISION"), codes(decided, "READER_DECISION")) == ([], ["DEC_DISMISSED"])
    assert predecessor(decided) == again.SOPInstanceUID
    *_, noted, withdrawn = rig.made(digest, KOS)
    assert titles([noted, withdrawn]) == ["113010", "QI_WITHDRAWN"]
    assert noted.SOPInstanceUID in str(withdrawn)

    with rig.database.begin() as transaction:  # another image has opened the study
        transaction.execute(sa.update(tables.worklist).values(state="OPEN"))
    rig.again(uids=(digest,))
    rig.finish(digest)
    assert rig.report() == 1
    assert codes(rig.made(digest, SR)[-1], "READER_DECISION") == ["DEC_DISMISSED"]

    rig.reopen()
    rig.report()
    rig.again(uids=(digest,))
    rig.finish(digest)
    assert rig.report() == 0, "nothing is decided any more"
    rig.database.close()


@pytest.mark.more
def test_what_is_judged_again_while_its_decision_is_reported_is_amended_too(
    rig: DecidedRig, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig.decide(Resolution.DISMISSED)
    amend = Amendments._amend

    def amend_slowly(*arguments: Any) -> Any:
        made = amend(*arguments)
        monkeypatch.undo()
        rig.again(uids=(digest,))
        rig.finish(digest)
        return made

    monkeypatch.setattr(Amendments, "_amend", amend_slowly)
    rig.report()
    rig.report()
    *_, again, decided = rig.made(digest, SR)
    assert (codes(again, "READER_DECISION"), codes(decided, "READER_DECISION")) == ([], ["DEC_DISMISSED"])
    assert predecessor(decided) == again.SOPInstanceUID
    assert rig.report() == 0


@pytest.mark.more
def test_taking_back_what_archives_were_told_says_so_and_notes_the_issue_anew(rig: DecidedRig, samples: Path) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig.decide(Resolution.DISMISSED)
    rig.report()
    rig.reopen("kim", "it is there")
    rig.report()
    rig.decide(Resolution.ACCEPTED, "kim")
    rig.report()

    _, dismissed, reopened, accepted = rig.made(digest, SR)
    assert predecessor(reopened) == dismissed.SOPInstanceUID
    assert predecessor(accepted) == reopened.SOPInstanceUID
    assert [codes(one, "READER_DECISION") for one in (reopened, accepted)] == [["DEC_REOPENED"], ["DEC_ACCEPTED"]]
    assert [codes(one, "111050") for one in (reopened, accepted)] == [["111236"], ["111236"]]
    assert "it is there" in reopened.to_json()
    noted, withdrawn, again = rig.made(digest, KOS)
    assert titles([noted, withdrawn, again]) == ["113010", "QI_WITHDRAWN", "113010"]
    assert again.SOPInstanceUID != noted.SOPInstanceUID
    assessments = rig.made(digest, AIRAI)
    assert [one.AssessmentSummary for one in assessments] == ["FAILED", "INCONCLUSIVE", "PASSED"]
    assert len({one.AssessmentSetID for one in assessments}) == 1
    about = {one.AssessedSOPInstanceSequence[0].ReferencedSOPInstanceUID for one in assessments}
    assert about == {predecessor(dismissed)}, "never a report that a person amended"
    assert rig.queued(digest).count(("AIRAI", "REGISTRY")) == 3
    with rig.database.begin() as transaction:
        [label] = labels.of_images(transaction, [digest])
    assert (label.judgement.actor, label.judgement.bad) == ("kim", False)


@pytest.mark.more
def test_an_image_judged_again_after_a_decision_amends_the_newest_report_only(
    rig: DecidedRig, pool: WorkerPool, samples: Path
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig.decide(Resolution.DISMISSED)
    rig.report()
    rig.database.close()
    rig = DecidedRig(rig.folder, pool, parse_policy(PASS_EVERYTHING))
    rig.again(uids=(digest,))
    rig.finish(digest)

    _, amended, again = rig.made(digest, SR)
    assert predecessor(again) == amended.SOPInstanceUID
    assert titles(rig.made(digest, KOS)) == ["113010", "QI_WITHDRAWN"], "it was withdrawn before"
    rig.database.close()
