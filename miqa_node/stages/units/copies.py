"""Finds that a new object is one that came before in another encoding: one image, one verdict, one report.

Senders and archives convert images. Whether two objects with one SOP Instance UID are the same is known when their
pixels are decoded, so this is part of judging, never of receiving.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.ports import JobQueue
from miqa_node.dicom.pixels.likeness import Likeness, compare, is_lossy
from miqa_node.errors import DecodeError, NotFoundError
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.base import Unit, UnitContext, run_here, unit_of
from miqa_node.stages.units.mended import ACTOR
from miqa_node.stages.units.rows import copies, instances, reassessments, series
from miqa_node.stages.units.rows.copies import BetterCopy, Twin

log = structlog.get_logger(__name__)

BETTER_CAME = "A copy without lossy compression came."


class CopyFinder:
    """Compares a new object with those of the same SOP Instance UID."""

    def __init__(self, context: UnitContext, units: Sequence[Unit]) -> None:
        self._context, self._units = context, units

    def is_only(self, transaction: Transaction, instance: StoredInstance) -> bool:
        """Whether nothing came before that it could be a copy of, as for nearly every image; or it is judged again."""
        if instance.generation:
            return True
        needs_others = unit_of(instance.header, self._units).needs_others
        twins = copies.undecided_twins(transaction, instance.header) if needs_others else []
        return not twins and not copies.earlier(transaction, instance.digest)

    def settle(self, instance: StoredInstance) -> StoredInstance | None:
        """The instance to judge, marked if it conflicts with another; None if it is a copy.

        Of a series, all new slices are settled.
        """
        own = Twin(instance.digest, instance.object_key, instance.conflicting)
        twins, needs_others = [own], unit_of(instance.header, self._units).needs_others
        if needs_others:
            with self._context.database.begin() as transaction:
                twins = [*copies.undecided_twins(transaction, instance.header), own]
        had_twins = [self._settle(twin, instance.calling_ae_title) for twin in twins]
        if not needs_others and not any(had_twins):
            return instance
        with self._context.database.begin() as transaction:
            if copies.instance_of(transaction, instance.digest) is not None:
                if needs_others:  # it stood for the series: another slice does now, if there is a new one
                    series.wait_again(transaction, instance.header)
                return None
            return instances.load(transaction, instance.digest)

    def _settle(self, twin: Twin, sender: str) -> bool:
        """Find out whether it is a copy; False if no earlier instance has its UID."""
        with self._context.database.begin() as transaction:
            earlier = copies.earlier(transaction, twin.digest)
        for other in earlier:
            likeness = self._likeness(other, twin, sender)
            if likeness is Likeness.OTHER:
                continue
            lossy = likeness is Likeness.WORSE or (likeness is Likeness.SAME and self._is_lossy(twin))
            with self._context.database.begin() as transaction:
                better = likeness is Likeness.BETTER
                if copies.take(transaction, twin.digest, other.digest, is_lossy=lossy, is_better=better):
                    log.info("the same image again", digest=twin.digest[:16], of=other.digest[:16], copy=likeness.value)
                    return True
        if earlier and not twin.conflicting:
            with self._context.database.begin() as transaction:
                copies.mark_conflicting(transaction, twin.digest)
        return bool(earlier)

    def _likeness(self, first: Twin, second: Twin, sender: str) -> Likeness:
        imaging = self._context.imaging
        try:
            paths = [self._context.artifacts.path(one.object_key) for one in (first, second)]
            run = imaging.run or run_here
            return Likeness(run(compare, *paths, imaging.there or imaging.decode, sender=sender))
        except (DecodeError, NotFoundError):  # it takes a child too long, or retention was faster
            return Likeness.OTHER

    def _is_lossy(self, twin: Twin) -> bool:
        return is_lossy(self._context.artifacts.path(twin.object_key))


def judge_better(
    transaction: Transaction, waiting: Sequence[BetterCopy], units: Sequence[Unit], queue: JobQueue, now: datetime
) -> int:
    """Let instances have the content of better copies, and be judged again; returns the number of new judgements."""
    groups: dict[str, list[BetterCopy]] = {}
    for one in waiting:
        of = one.of
        if unit_of(one.header, units).needs_others:
            of = InstanceDigest(reassessments.representative(transaction, one.header).digest)
        groups.setdefault(of, []).append(one)
    count = 0
    for digest, better in groups.items():
        generation = reassessments.ask(transaction, InstanceDigest(digest), ACTOR, BETTER_CAME, now)
        if generation:
            for one in better:
                copies.use(transaction, one.digest)
            queue.enqueue_reassess(transaction, InstanceDigest(digest), generation)
            count += 1
    return count
