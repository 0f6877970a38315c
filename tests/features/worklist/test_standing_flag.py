"""A repeated judgement that fails takes back no flag: the study stays open, and says why, until one succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.delivery import KOS, SR
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.reassessment import ReassessmentFilter
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistItem, WorklistState
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store import damages, tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.deliver.rows.announcements import standing_of
from miqa_node.stages.units.rows import instances
from tests.features.reassess.test_reassessment import PASS_EVERYTHING, SMALL, AgainRig
from tests.node.test_pipeline import FLAG_EVERYTHING
from tests.policies import ACCEPT, TRIED, document, measured

IMAGE = "RG1_UNCR.dcm"
"""An image that the quality package covers."""
REJECT_EVERYTHING = document(
    {"measurement": "entropy", "above": 0.0, "then": "REJECT", "reason": "unsharp"}, version="t4"
)
NO_RULES = document(ACCEPT, version="t5")
"""None that flags."""
MEASURED = document(ACCEPT, measured("entropy"), version="t6", evidence=TRIED)


@pytest.fixture(scope="module")
def model() -> ImageAssessor:
    settings = load_settings()
    return ImageAssessor(open_package(settings.models_dir / "quality-0.9.3", Accelerator.CPU, settings.assess))


@pytest.fixture(scope="module")
def blind() -> Iterator[WorkerPool]:
    """It can decode no image of a usual size, as after a fault of its settings."""
    pool = WorkerPool(load_settings(imaging={"max_pixels": 1000}))
    yield pool
    pool.close()


Rigs = Callable[..., AgainRig]


@pytest.fixture
def rigs(tmp_path: Path, pool: WorkerPool) -> Any:
    """Nodes one after the other on the same data; the one before is closed."""
    made: list[AgainRig] = []

    def make(
        policy: dict[str, Any], assessor: ImageAssessor | None = None, pool: WorkerPool = pool, **other: Any
    ) -> AgainRig:
        if made:
            made.pop().database.close()
        made.append(AgainRig(tmp_path, pool, parse_policy(policy), assessor=assessor, **other))
        return made[-1]

    yield make
    made.pop().database.close()


def item_of(rig: AgainRig, digest: InstanceDigest) -> WorklistItem:
    with rig.database.begin() as transaction:
        return worklist.show(transaction, instances.load(transaction, digest).header.study_instance_uid)


def original(rig: AgainRig, digest: InstanceDigest) -> Path:
    with rig.database.begin() as transaction:
        return rig.objects.local_path(instances.load(transaction, digest).object_key)


def judge_again(rig: AgainRig, digest: InstanceDigest) -> None:
    assert rig.again(uids=(digest,)) == 1
    rig.finish(digest)


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [gone, emptied, cut, flipped])
def test_an_image_whose_stored_copy_is_damaged_keeps_its_verdict(
    rigs: Rigs, samples: Path, damage: Callable[[Path], None]
) -> None:
    rig = rigs(FLAG_EVERYTHING)
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig = rigs(PASS_EVERYTHING)
    plan = rig.service.plan(ReassessmentFilter(uids=(digest,)))
    damage(original(rig, digest))
    assert rig.again(uids=(digest,)) == 0, "it is refused"
    assert rig.service.begin(plan, "anna", "", datetime.now(UTC)) == 1, "it was asked for just before"
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW
    assert item_of(rig, digest).state is WorklistState.OPEN
    with rig.database.begin() as transaction:
        [request] = transaction.execute(sa.select(tables.reassessments)).all()
        history = transaction.execute(sa.select(tables.worklist_events)).all()
        assert len(damages.among(transaction, [instances.load(transaction, digest).object_key])) == 1
    assert request.failure.endswith("Send the image again.")
    assert (history[-1].action, history[-1].comment) == ("not judged again", request.failure)


@pytest.mark.more
@pytest.mark.parametrize("after", [NO_RULES, MEASURED])
def test_what_a_model_flagged_stays_flagged_without_a_model(
    rigs: Rigs, samples: Path, model: ImageAssessor, after: dict[str, Any]
) -> None:
    rig = rigs(FLAG_EVERYTHING, model)
    digest = rig.receive(samples / IMAGE)
    rig.finish(digest)
    rig = rigs(after)
    for _ in range(2):
        judge_again(rig, digest)
        item = item_of(rig, digest)
        assert (item.state, len(item.images)) == (WorklistState.OPEN, 1)
        assert item.images[0].reasons[-1].startswith("The flag of an earlier judgement stays: ")
    rig = rigs(after, model)
    judge_again(rig, digest)
    assert item_of(rig, digest).state is WorklistState.RESOLVED


@pytest.mark.more
def test_of_two_images_the_one_that_fails_keeps_the_study_open(
    rigs: Rigs, samples: Path, model: ImageAssessor, blind: WorkerPool
) -> None:
    rig = rigs(REJECT_EVERYTHING, model)
    good = rig.receive(samples / IMAGE)
    bad = rig.receive(samples / IMAGE, {"SOPInstanceUID": "1.2.9"})
    rig.finish(good)
    rig.finish(bad)
    rig = rigs(NO_RULES, model)
    judge_again(rig, good)
    rig = rigs(NO_RULES, model, pool=blind)
    judge_again(rig, bad)
    item = item_of(rig, bad)
    assert (item.state, [image.digest for image in item.images]) == (WorklistState.OPEN, [bad])


@pytest.mark.more
def test_a_study_that_a_person_resolved_is_not_opened_by_a_failure(
    rigs: Rigs, samples: Path, model: ImageAssessor
) -> None:
    rig = rigs(REJECT_EVERYTHING, model)
    digest = rig.receive(samples / IMAGE)
    rig.finish(digest)
    with rig.database.begin() as transaction:
        study = instances.load(transaction, digest).header.study_instance_uid
        worklist.resolve(transaction, study, Resolution.DISMISSED, "anna", "", datetime.now(UTC))
    rig = rigs(NO_RULES)
    judge_again(rig, digest)
    assert (item_of(rig, digest).state, item_of(rig, digest).resolved_by) == (WorklistState.RESOLVED, "anna")


@pytest.mark.more
def test_a_node_that_only_records_takes_back_no_flag(rigs: Rigs, samples: Path, model: ImageAssessor) -> None:
    rig = rigs(REJECT_EVERYTHING, model)
    digest = rig.receive(samples / IMAGE)
    rig.finish(digest)
    rig = rigs(REJECT_EVERYTHING, model, silence=lambda _header: "Only recorded.")
    judge_again(rig, digest)
    item = item_of(rig, digest)
    assert (item.state, rig.verdict(digest)) == (WorklistState.OPEN, Verdict.REJECT)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest)
    assert disposition is not None
    assert (disposition.flagged, disposition.silent) == (True, True)


@pytest.mark.more
def test_a_measured_image_that_no_rule_flags_any_more_is_taken_off_the_list(rigs: Rigs, samples: Path) -> None:
    """Where images are only measured, NOT_ASSESSED is the ordinary verdict and no failure."""
    rig = rigs(FLAG_EVERYTHING)
    digest = rig.receive(samples / IMAGE)
    rig.finish(digest)
    rig = rigs(NO_RULES)
    judge_again(rig, digest)
    item = item_of(rig, digest)
    assert (rig.verdict(digest), item.state) == (Verdict.NOT_ASSESSED, WorklistState.RESOLVED)
    queries: dict[str, dict[str, Any]] = {
        "flagged": {}, "resolved": {"state": [WorklistState.RESOLVED]}, "by its UID": {"uid": item.study_instance_uid},
    }  # fmt: skip
    with rig.database.begin() as transaction:
        counts = {name: worklist.count(transaction, WorklistFilter(**one)) for name, one in queries.items()}
    assert counts == {"flagged": 0, "resolved": 1, "by its UID": 1}


@pytest.mark.more
def test_an_audit_stays_on_the_list_and_is_told_to_nobody_else(rigs: Rigs, samples: Path, model: ImageAssessor) -> None:
    audit = AcquisitionRules(key=b"k", audit_share=1.0)
    rig = rigs(NO_RULES, model, rules=audit)
    digest = rig.receive(samples / IMAGE)
    rig.finish(digest)
    assert item_of(rig, digest).state is WorklistState.OPEN
    rig = rigs(NO_RULES, rules=audit)
    judge_again(rig, digest)
    assert item_of(rig, digest).state is WorklistState.OPEN
    assert all("random" not in str(report) for report in rig.files(digest, SR))


@pytest.mark.more
def test_an_image_that_was_given_up_leaves_the_list_once_it_is_judged(
    rigs: Rigs, samples: Path, model: ImageAssessor
) -> None:
    rig = rigs(NO_RULES, model)
    digest = rig.receive(samples / IMAGE)
    rig.pipeline.give_up(digest)
    assert item_of(rig, digest).state is WorklistState.OPEN
    judge_again(rig, digest)
    assert (rig.verdict(digest), item_of(rig, digest).state) == (Verdict.ACCEPT, WorklistState.RESOLVED)


@pytest.mark.more
def test_a_rejected_image_whose_pixels_cannot_be_read_any_more_stays_flagged(
    rigs: Rigs, samples: Path, model: ImageAssessor, blind: WorkerPool
) -> None:
    rig = rigs(REJECT_EVERYTHING, model)
    digest = rig.receive(samples / IMAGE)
    rig.finish(digest)
    study = item_of(rig, digest).study_instance_uid
    with rig.database.begin() as transaction:
        worklist.claim(transaction, study, "anna", datetime.now(UTC))
    [noted] = rig.files(digest, KOS)
    rig = rigs(REJECT_EVERYTHING, model, pool=blind)
    judge_again(rig, digest)

    item = item_of(rig, digest)
    assert (item.state, item.claimed_by, item.verdict) == (WorklistState.CLAIMED, "anna", Verdict.NOT_ASSESSED)
    [failed, reason] = item.images[0].reasons
    assert "could not be decoded" in failed
    assert reason.startswith("The flag of an earlier judgement stays: ")
    [_, report] = rig.files(digest, SR)
    assert reason.partition(":")[0] in report.to_json()
    assert [one.SOPInstanceUID for one in rig.files(digest, KOS)] == [noted.SOPInstanceUID], "it still holds"
    with rig.database.begin() as transaction:
        assert not standing_of(transaction, study, ()).has_passed
        assert standing_of(transaction, study, ()).flagged == 1
        events = transaction.execute(sa.select(tables.worklist_events.c.comment)).scalars().all()
    assert any("could not be decoded" in comment for comment in events)

    judge_again(rig, digest)  # and a second failure takes back no more than the first
    assert item_of(rig, digest).state is WorklistState.CLAIMED
    assert item_of(rig, digest).images[0].reasons[-1] == reason

    rig = rigs(NO_RULES, model)
    judge_again(rig, digest)
    item = item_of(rig, digest)
    assert (rig.verdict(digest), item.state, item.claimed_by) == (Verdict.ACCEPT, WorklistState.CLAIMED, "anna")
    assert (item.verdict, item.images) == (Verdict.ACCEPT, ())
    assert [one.ConceptNameCodeSequence[0].CodeValue for one in rig.files(digest, KOS)][-1] == "QI_WITHDRAWN"
    with rig.database.begin() as transaction:
        item = worklist.unclaim(transaction, study, "anna", datetime.now(UTC))
    assert (item.state, item.resolved_by) == (WorklistState.RESOLVED, "miqa-node")
