"""What ``doctor`` tells of the last days although nothing is broken: senders that were refused, words nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from miqa_node.core.settings import Settings
from miqa_node.features.operations.rows import unknown_spellings
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.receive.rows import rereading, senders
from miqa_node.stages.units.kinds import WITH_VIEW

Trouble = tuple[str, str, str]
"""Subject, what happened, and what to do."""


def troubles(transaction: Transaction, settings: Settings) -> Iterator[Trouble]:
    """Everything that the database of the node remembers."""
    now, anatomy = datetime.now(UTC), settings.imaging.anatomy
    if not rereading.is_current(transaction, settings.patients.fingerprint):
        detail = "images were given their patients by other settings [patients], or not all of them by these"
        yield "patients", detail, f"Read again whose they are: {rereading.MEND}"
    for word in unknown_spellings(transaction, anatomy, WITH_VIEW, now):
        detail = f"{word.images} images say {word.written!r}, which means nothing to the node"
        yield "words in headers", detail, f"Add to the settings: {word.line}"
    for caller in senders.select(transaction):
        if caller.is_refused and caller.refused_at is not None and caller.refused_at >= now - timedelta(days=1):
            name = f"{caller.calling_ae_title or 'a sender without AE title'} at {caller.peer_address}"
            yield "senders", f"{name} was refused: {caller.reason}", caller.hint
