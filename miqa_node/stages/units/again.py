"""Corrects results in archives: finds the reports that a new one replaces, and the key objects to withdraw.

Results are corrected when an image is judged again, and when a person decides about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from miqa_node.core.domain.delivery import KOS, SR, SR_FULL, ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.domain.reassessment import keeps_flag
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.errors import NotFoundError
from miqa_node.stages.deliver.rows import results
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import amend_objects
from miqa_node.stages.report.outputs.kos import SOP_CLASS_UID as KEY_OBJECT
from miqa_node.stages.report.outputs.sr import SOP_CLASS_UID as REPORT
from miqa_node.stages.report.withdrawal import notes_in_force, withdraw_key_object
from miqa_node.stages.units.base import Unit, UnitContext


def earlier_reports(instance: StoredInstance, context: UnitContext) -> Sequence[Path]:
    """The newest report so far, as a file; empty for a first judgement."""
    return _files((instance.digest,), context, SR, REPORT)[-1:]


def withdrawals(
    judgement: Judgement, context: UnitContext, others: Sequence[InstanceDigest] = ()
) -> Sequence[MadeObject]:
    """One withdrawal for each key object that was valid until the image was judged again; none if the flag stays.

    ``others``: the other members of its unit, whose key objects are about the unit, too.
    """
    if not (judgement.instance.generation or others) or keeps_flag(judgement.disposition):
        return []
    return _withdraw(_notes(judgement.instance, context, others), judgement, context)


def amendments(unit: Unit, judgement: Judgement, review: Review, context: UnitContext) -> Sequence[MadeObject]:
    """Objects for archives after a person's decision: a new report, and a withdrawal of a good image's key object.

    If such a decision is taken back or replaced by another, the key object is made again. An image without a report
    needs none of these.
    """
    instance, assessment = judgement.instance, judgement.assessment
    subject = unit.subject(instance, assessment, context, amends=True)
    if subject is None or not earlier_reports(instance, context):
        return ()
    notes = _notes(instance, context)
    good = review.resolution is Resolution.DISMISSED
    amended = [SR, SR_FULL] if good or notes else [SR, SR_FULL, KOS]
    reporting, sender = context.reporting, instance.calling_ae_title
    made = reporting.run(
        amend_objects, subject, assessment, judgement.disposition, review, reporting.settings, reporting.kinds(),
        amended, sender=sender,
    )  # fmt: skip
    return [*made, *(_withdraw(notes, judgement, context, review) if good else ())]


def _withdraw(
    notes: Sequence[Path], judgement: Judgement, context: UnitContext, review: Review | None = None
) -> list[MadeObject]:
    settings, of = context.reporting.settings, judgement
    made = (withdraw_key_object(note, of.assessment, of.disposition, settings, review) for note in notes)
    return [one for one in made if one is not None]


def _notes(instance: StoredInstance, context: UnitContext, others: Sequence[InstanceDigest] = ()) -> Sequence[Path]:
    return notes_in_force(_files((instance.digest, *others), context, KOS, KEY_OBJECT))


def _files(digests: Sequence[InstanceDigest], context: UnitContext, kind: ResultKind, sop_class_uid: str) -> list[Path]:
    with context.database.begin() as transaction:
        made = results.results_of_class(transaction, digests, kind, sop_class_uid, context.results_before)
    return sound_files(made, context)


def sound_files(made: Sequence[ResultObject], context: UnitContext) -> list[Path]:
    """The files of results; what is removed or damaged cannot be referenced: only the file states its series."""
    files = []
    for one in made:
        if context.artifacts.verify_result(one) is Soundness.SOUND:
            with suppress(NotFoundError):
                files.append(context.artifacts.path(one.object_key))
    return files
