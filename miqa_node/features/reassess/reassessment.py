"""Judges chosen images again: after a fault was fixed, or with another model or policy.

One transaction stores a request and queues its job, which runs after newly arrived images. The steps of the job are
those of every image (:mod:`miqa_node.pipeline`); the verdict in force stays until there is a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.core.domain.ports import JobQueue
from miqa_node.core.domain.reassessment import ReassessmentCandidate, ReassessmentFilter, ReassessmentPlan
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.progress import counted
from miqa_node.errors import ConflictError, ResourcesError
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.units.base import Unit, installed, unit_of
from miqa_node.stages.units.mended import ORIGINAL
from miqa_node.stages.units.rows import reassessments, series

BATCH = 200
"""Number of requests per transaction."""

GONE = "The original is no longer kept here: fetch it (miqa-node retention fetch), or send it again."
UNREADABLE = "The original cannot be read now: try again when its disk or bucket works."
WAITING = "It waits to be judged again already."
NO_MODEL = "A model judged it, and none can be used now."
UNPLACED = "It has no Study or Series Instance UID: give it one first (miqa-node worklist correct)."


class ModelObstacle(Protocol):
    """Says whether models can be used."""

    def __call__(self, *, series: bool) -> str:
        """Why no package can judge an image, or a series, now; empty if one can."""


class Reassessment:
    """Resolves a choice of images, and enqueues the jobs."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        queue: JobQueue,
        models: ModelObstacle,
        units: Sequence[Unit] | None = None,
    ) -> None:
        self._database, self._objects = database, objects
        self._artifacts = Artifacts(objects)
        self._queue = queue
        self._models = models
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
        obstacle = cache(lambda series: self._models(series=series))  # asked for at most once each
        return ReassessmentPlan(
            tuple(self._candidate(row, waiting, obstacle) for row in counted(rows, "Checking")), truncated
        )

    def begin(self, plan: ReassessmentPlan, actor: str, comment: str, now: datetime, *, usual_now: bool = False) -> int:
        """Request a new judgement of all possible images; return the number of new requests. Idempotent.

        With ``usual_now`` the usual ranges of machines of now count, not those of the judgement before.

        Raises
        ------
        ConflictError
            There is no model for any of them.
        """
        if not plan.possible and (
            lacking := [o for one in plan.candidates if (o := one.obstacle).startswith(NO_MODEL)]
        ):
            raise ConflictError("Nothing is judged again, so that no verdict is lost. {lacking}", lacking=lacking[0])
        request_count, possible = 0, plan.possible
        for some in batches(possible, BATCH):
            with self._database.begin() as transaction:
                for one in some:
                    request_count += reassessments.request(
                        transaction, self._queue, one.digest, actor, comment, now, usual_now=usual_now
                    )
        return request_count

    def _meant(self, transaction: Transaction, row: Any) -> Any:
        """The chosen entry; a slice stands for its series."""
        header = reassessments.header_of(row)
        needs_others = unit_of(header, self._units).needs_others
        return reassessments.representative(transaction, header) if needs_others else row

    def _damage(self, row: Any, unit: Unit) -> str:
        """Why the image, or a slice of the series, cannot be judged from what is stored; empty if it can."""
        digests = [row.digest]
        if unit.needs_others:
            with self._database.begin() as transaction:
                digests = [one.digest for one in series.files(transaction, reassessments.header_of(row))]
        states = (self._artifacts.verify_original(self._database, digest) for digest in digests)
        try:
            return next((ORIGINAL[state] for state in states if state is not Soundness.SOUND), "")
        except ResourcesError:
            return UNREADABLE

    def _absence(self, row: Any) -> str:
        """Why there is no file to be judged; empty if there is one."""
        try:
            return "" if self._objects.exists(row.object_key) else GONE
        except (ResourcesError, OSError):
            return UNREADABLE

    def _candidate(self, row: Any, waiting: set[str], no_model: Callable[[bool], str]) -> ReassessmentCandidate:
        header = reassessments.header_of(row)
        unit, obstacle = unit_of(header, self._units), ""
        if row.digest in waiting:
            obstacle = WAITING
        elif header.missing_uids:
            obstacle = UNPLACED
        elif row.removed_at is not None or (obstacle := self._absence(row)):
            obstacle = obstacle or GONE
        elif row.model_name and (reason := no_model(unit.needs_others)):
            obstacle = Phrase(f"{NO_MODEL} {{reason}}", reason=reason)
        else:
            obstacle = self._damage(row, unit)
        return reassessments.candidate(row, obstacle)
