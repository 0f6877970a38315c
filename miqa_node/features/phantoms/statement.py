"""A person's statement what a series shows: recorded, and the series judged again like any other, with a new report.

Where its files are gone, the pipeline decides the stored assessment again.
"""

from __future__ import annotations

from datetime import datetime

from miqa_node.core.domain.phantom import PhantomSeries
from miqa_node.core.domain.ports import JobQueue
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms.kinds import WORDS
from miqa_node.features.phantoms.rows import scans
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.kinds import PHANTOM_MODALITIES
from miqa_node.stages.units.rows import reassessments


def say(
    transaction: Transaction,
    queue: JobQueue,
    series_instance_uid: str,
    actor: str,
    comment: str,
    now: datetime,
    *,
    is_phantom: bool,
    study_instance_uid: str = "",
) -> PhantomSeries:
    """See :func:`~miqa_node.features.phantoms.rows.say`; the verdict in force stays until there is a new one."""
    statement = phantoms.say(
        transaction, series_instance_uid, actor, comment, now,
        is_phantom=is_phantom, modalities=PHANTOM_MODALITIES, study_instance_uid=study_instance_uid,
    )  # fmt: skip
    why = phantoms.SHOWS_PHANTOM if is_phantom else phantoms.SHOWS_PATIENT
    for digest in statement.contradicted:  # one that waits already is compared with the statement at its end
        reassessments.request(transaction, queue, digest, actor, why, now)
    return statement.listed


def name_kind(
    transaction: Transaction,
    queue: JobQueue,
    series_instance_uid: str,
    study_instance_uid: str,
    kind: str,
    actor: str,
    now: datetime,
) -> PhantomSeries:
    """A person says which phantom a series of a study shows, so that it is one: it is judged and measured again.

    Without a study it is said of the series in each study that has its UID.

    Raises
    ------
    NotFoundError
        The node measures no phantom of that kind, or has no such series.
    """
    if kind not in WORDS:
        raise NotFoundError("The node measures no phantom of the kind {kind}.", kind=kind)
    words = Phrase("It is a phantom of the kind {kind}.", kind=WORDS[kind])
    record = phantoms.say(
        transaction, series_instance_uid, actor, "", now,
        is_phantom=True, modalities=PHANTOM_MODALITIES, study_instance_uid=study_instance_uid,
    )  # fmt: skip
    for study, digest in record.slices.items():
        scans.name_kind(transaction, study, series_instance_uid, kind, actor, now)
        study_notes.note(transaction, study, "said", actor, words, now)
        reassessments.request(transaction, queue, digest, actor, words, now)
    return record.listed


def queue_of(services: WebServices) -> JobQueue:
    """That of the node; ConflictError without one."""
    if services.node is None:
        raise ConflictError("This process cannot have images judged again.")
    return services.node.queue
