"""A pipeline on real parts, as a node wires it, without its threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.event import EventOrigin
from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import Assessor, JobQueue
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.pipeline import Pipeline
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import results
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.conclusion.deliver import kinds_to_make
from miqa_node.stages.conclusion.effects import EffectContext, giving_up_effects, verdict_effects
from miqa_node.stages.deliver.rows.announcements import Announcer
from miqa_node.stages.deliver.rows.deliveries import result_of
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units.base import ImagingTools, JudgingTools, ReportingTools, UnitContext
from miqa_node.stages.units.image import judge_here

NO_CERTIFICATE = "no certificate"
"""Beginning of each sentence about a missing certificate; the reason follows after a colon."""


def results_of(transaction: Transaction, digest: InstanceDigest) -> list[ResultObject]:
    """All objects made from an instance, by kind."""
    rows = transaction.execute(sa.select(results).where(results.c.digest == digest).order_by(results.c.kind)).all()
    return [result_of(row) for row in rows]


def any_model(*, series: bool) -> str:
    """A node whose models can be used."""
    return ""


def build_pipeline(
    database: Database,
    objects: ObjectStore,
    queue: JobQueue,
    pool: WorkerPool,
    policy: Policy,
    destinations: Callable[[ResultKind], Sequence[str]],
    *,
    assessor: Assessor | None = None,
    rules: AcquisitionRules | None = None,
    enhance: Callable[[Radiograph], EnhancedImage] | None = None,
    silence: Callable[[Header], str] = lambda _header: "",
    declining: Callable[[str, Verdict], Sequence[str]] = lambda _modality, _verdict: (),
    relaxed_uids: bool = False,
    certify: Callable[[Assessment, Policy], str] = lambda *_: NO_CERTIFICATE,
) -> Pipeline:
    """Without an assessor images are only measured; nobody listens to events."""
    rules = rules or AcquisitionRules()
    chosen = assessor or ImageAssessor(None)
    context = UnitContext(
        database,
        Artifacts(objects),
        ImagingTools(partial(read_header, relaxed=relaxed_uids), pool.decode),
        JudgingTools(judge_here(pool.decode, lambda: chosen), lambda: policy, certify, silence=silence),
        ReportingTools(ReportSettings(), lambda: kinds_to_make(destinations), pool.decode, enhance),
        revocations=load_settings().analysis.revocations,
    )
    announcer = Announcer(lambda _kind: (), EventOrigin())
    tools = EffectContext(context, queue, rules, announcer, destinations, declining)
    effects, giving_up = verdict_effects(tools), giving_up_effects(tools)
    return Pipeline(context, queue, effects, giving_up, max_attempts=3, pseudonym=rules.operator)
