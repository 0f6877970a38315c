"""Judges chosen images again: after a fault was fixed, or with another model or policy.

One transaction stores a request and queues its job, which runs after newly arrived images. The steps of the job are
those of every image (:mod:`miqa_node.pipeline`); the verdict in force stays until there is a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from miqa_node.domain.ports import JobQueue, ObjectStore
from miqa_node.domain.reassessment import ReassessmentCandidate, ReassessmentFilter, ReassessmentPlan
from miqa_node.errors import ConflictError
from miqa_node.store import reassessments
from miqa_node.store.database import Database, Transaction
from miqa_node.units.base import Unit, installed, unit_of

BATCH = 200
"""Number of requests per transaction."""

GONE = "The original is no longer kept here: fetch it (miqa-node retention fetch), or send it again."
WAITING = "It waits to be judged again already."
UNPLACED = "It has no Study or Series Instance UID: give it one first (miqa-node worklist correct)."


class Reassessment:
    """Resolves a choice of images, and enqueues the jobs."""

    def __init__(
        self, database: Database, objects: ObjectStore, queue: JobQueue, units: Sequence[Unit[Any]] | None = None
    ) -> None:
        self._database = database
        self._objects = objects
        self._queue = queue
        self._units = installed() if units is None else units

    def plan(self, chosen: ReassessmentFilter) -> ReassessmentPlan:
        """The images that would be judged again; a series is one entry. Nothing is changed.

        Raises
        ------
        ConflictError
            The choice has no criteria: judging every image of the node is hardly intended.
        """
        if chosen.is_empty:
            raise ConflictError("Say which images: by UID, time, verdict, package or reason.")
        with self._database.begin() as transaction:
            rows = reassessments.select(transaction, chosen)
            truncated, rows = len(rows) > chosen.limit, rows[: chosen.limit]
            rows = list({row.digest: row for row in (self._meant(transaction, row) for row in rows)}.values())
            waiting = reassessments.waiting(transaction, [row.digest for row in rows])
        return ReassessmentPlan(tuple(self._candidate(row, waiting) for row in rows), truncated)

    def begin(self, plan: ReassessmentPlan, actor: str, comment: str, now: datetime) -> int:
        """Request a new judgement of all possible images; return the number of new requests. Idempotent."""
        request_count, possible = 0, plan.possible
        for start in range(0, len(possible), BATCH):
            with self._database.begin() as transaction:
                for one in possible[start : start + BATCH]:
                    generation = reassessments.ask(transaction, one.digest, actor, comment, now)
                    if generation:
                        self._queue.enqueue_reassess(transaction, one.digest, generation)
                        request_count += 1
        return request_count

    def _meant(self, transaction: Transaction, row: Any) -> Any:
        """The chosen entry; a slice stands for its series."""
        unit = unit_of(reassessments.header_of(row), self._units)
        return reassessments.representative(transaction, row.series_instance_uid) if unit.needs_others else row

    def _candidate(self, row: Any, waiting: set[str]) -> ReassessmentCandidate:
        obstacle = ""
        if row.digest in waiting:
            obstacle = WAITING
        elif reassessments.header_of(row).missing_uids:
            obstacle = UNPLACED
        elif row.removed_at is not None or not self._objects.exists(row.object_key):
            obstacle = GONE
        return reassessments.candidate(row, obstacle)
