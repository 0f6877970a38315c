"""The pipeline of one image: receive · judge.

``receive`` runs while the sender waits for the C-STORE response; ``judge`` runs later as a durable job (``work`` only
wraps it). Each may be killed at any point and is then run again from its beginning. A second run makes the same files
under the same keys, and one transaction makes the verdict and all its effects true. ``units`` has the differences
between kinds of objects; ``conclusion`` has the effects of a verdict, one file each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from miqa_node.core.domain.assessment import REPORT_FORM, Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.identity import with_surrogates
from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject, StoredInstance
from miqa_node.core.domain.ports import AssessorResult, JobQueue
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.verdict_score import judged
from miqa_node.runtime.workers.faults import NodeFaults
from miqa_node.stages.conclusion.base import Conclusion, Effects
from miqa_node.stages.conclusion.verdict import disposition_of
from miqa_node.stages.receive.rows.arrivals import Arrivals
from miqa_node.stages.units.attempts import Attempts
from miqa_node.stages.units.base import Unit, UnitContext, installed, not_assessed, unit_of
from miqa_node.stages.units.mended import judge_mended
from miqa_node.stages.units.rows import judgements
from miqa_node.stages.units.rows.judgements import Attempt

log = structlog.get_logger(__name__)

UNFINISHED = Phrase("The work on this image failed again and again; the log of the node says where.")


class Pipeline:
    """The two stages, and their dependencies."""

    def __init__(
        self,
        context: UnitContext,
        queue: JobQueue,
        effects: Effects,
        giving_up: Effects,
        *,
        max_attempts: int,
        pseudonym: Callable[[str], str] = lambda _name: "",
        units: Sequence[Unit] | None = None,
        faults: NodeFaults | None = None,
    ) -> None:
        """``effects`` follow a verdict, ``giving_up`` a final failure; ``pseudonym`` hides operators."""
        self._context = context
        self._database = context.database
        self._arrivals = Arrivals(context.database, context.artifacts)
        self._queue = queue
        self._effects = effects
        self._giving_up = giving_up
        self._pseudonym = pseudonym
        self._units = installed() if units is None else units
        self._attempts = Attempts(context, self._units, max_attempts, faults)

    # ── receive: when this returns, the sender gets 0x0000; from then on nothing may be lost ──

    def receive(self, received: ReceivedObject) -> None:
        """Store the object and enqueue its job: one transaction covers the instance and the job."""
        # --8<-- [start:receive]
        header, study = received.header or self._context.imaging.read_header(Path(received.path))
        imaging = self._context.imaging
        header, study = imaging.clocked(header, received), imaging.whose(study, received)
        header, study = with_surrogates(header, study, received.digest)
        unit, operator = unit_of(header, self._units), self._pseudonym(study.operators_name)
        novelty = self._arrivals.keep(
            header, study, received, operator,
            lambda transaction: unit.admit(transaction, header, received, self._queue),
            lambda transaction: judge_mended(transaction, received.digest, header, unit, self._queue),
        )  # fmt: skip
        # --8<-- [end:receive]
        log.debug("received", digest=received.digest[:16], novelty=novelty.value, calling_ae=received.calling_ae_title)

    # ── judge: attempt, assess, decide; then one transaction commits assessment, verdict and all effects ──

    def judge(self, digest: InstanceDigest) -> None:
        """Judge the unit. If that is not possible, the verdict is NOT_ASSESSED with the reason."""
        # --8<-- [start:judge]
        with self._attempts.begun(digest) as attempt:
            if attempt is None:
                return  # already done, or judged with its series while this job waited
            if attempt.instance.generation and self._attempts.is_over(attempt):
                self.give_up(digest)
            elif (result := self._assess(attempt)) is not None:
                self._conclude(attempt.instance, result)

    def _conclude(self, instance: StoredInstance, result: AssessorResult) -> None:
        disposition = disposition_of(result.assessment, instance.header, self._context.judging, self._units)
        conclusion = self._conclusion(instance, result.assessment, disposition)
        conclusion = replace(conclusion, is_reported=not result.is_stored)
        conclusion = self._effects.prepare(conclusion)
        self._write(replace(conclusion, decided_at=datetime.now(UTC)), self._effects, judgements.save)
        # --8<-- [end:judge]

    def close(self) -> None:
        """Begin to judge nothing more; what waits to be judged alone ends waiting."""
        self._attempts.close()

    def _assess(self, attempt: Attempt) -> AssessorResult | None:
        """Decode, measure, infer, explain."""
        result, instance = self._attempts.judge(attempt), attempt.instance
        if result is None:
            return None
        self._context.artifacts.keep_maps(instance.digest, result.maps, instance.generation)
        return replace(result, assessment=replace(result.assessment, form=REPORT_FORM))

    def give_up(self, digest: InstanceDigest) -> None:
        """Give up after repeated failures: the verdict is NOT_ASSESSED, without a report; people see it.

        An image that was judged again keeps its earlier verdict, and a series that more slices came of.
        """
        with self._database.begin() as transaction:
            instance = judgements.undecided(transaction, digest)
        if instance is None:
            return
        self._attempts.blame(instance, "a step failed again and again")
        if instance.generation:
            self._attempts.abandon(instance, UNFINISHED)
            return
        if self._attempts.joins(instance):
            return
        assessment = not_assessed(instance, UNFINISHED, quarantined=True).assessment
        disposition = decide(assessment, self._context.judging.policy())
        conclusion = self._giving_up.prepare(self._conclusion(instance, assessment, disposition))
        self._write(conclusion, self._giving_up, judgements.save_disposition)

    def _conclusion(self, instance: StoredInstance, assessment: Assessment, disposition: Disposition) -> Conclusion:
        judgement = judged(instance, assessment, disposition)
        return Conclusion(judgement, unit_of(instance.header, self._units), disposition)

    def _write(self, conclusion: Conclusion, effects: Effects, save: Callable[..., bool]) -> None:
        # --8<-- [start:write]
        with self._database.begin() as transaction:
            if not save(transaction, conclusion.judgement, conclusion.decided_at):
                return  # another process was faster
            effects.apply(transaction, conclusion)
        effects.follow(conclusion)
        # --8<-- [end:write]
