"""What a repeated judgement refers to: the reports that its report replaces, and the key objects that it withdraws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import KOS, SR, ResultKind
from miqa_node.domain.instance import StoredInstance
from miqa_node.domain.policy import Disposition
from miqa_node.errors import NotFoundError
from miqa_node.report import KEY_OBJECT, REPORT, MadeObject, withdraw_key_object
from miqa_node.store import deliveries
from miqa_node.units.base import UnitContext


def earlier_reports(instance: StoredInstance, context: UnitContext) -> Sequence[Path]:
    """Files of the reports of the judgement before; empty for a first one."""
    return _files(instance, context, SR, REPORT)


def withdrawals(
    instance: StoredInstance, assessment: Assessment, disposition: Disposition, context: UnitContext
) -> Sequence[MadeObject]:
    """One object for each key object of the judgement before."""
    settings = context.reporting.settings
    notes = _files(instance, context, KOS, KEY_OBJECT)
    made = (withdraw_key_object(note, assessment, disposition, settings) for note in notes)
    return [one for one in made if one is not None]


def _files(instance: StoredInstance, context: UnitContext, kind: ResultKind, sop_class_uid: str) -> list[Path]:
    if not instance.generation:
        return []
    with context.database.begin() as transaction:
        made = deliveries.results_before(transaction, instance.digest, kind, sop_class_uid, instance.generation)
    files = []
    for one in made:
        try:
            files.append(context.artifacts.path(one.object_key))
        except NotFoundError:  # what is no longer kept cannot be named: its series is only in the file
            continue
    return files
