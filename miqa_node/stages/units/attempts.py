"""Attempts to judge a unit: counts them, and decides whether the image or the node is to blame for a failure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import (
    DecodeError,
    DecodeLimitError,
    MiqaError,
    NotFoundError,
    RemovedError,
    ResourcesError,
    lacks_resources,
)
from miqa_node.runtime.workers.faults import NodeFaults
from miqa_node.stages.units.base import Unit, UnitContext, not_assessed, unit_of
from miqa_node.stages.units.copies import CopyFinder
from miqa_node.stages.units.mended import ORIGINAL
from miqa_node.stages.units.rows import instances, judgements, latecomers
from miqa_node.stages.units.rows.judgements import Attempt
from miqa_node.stages.units.solitude import Solitude

log = structlog.get_logger(__name__)

SLOW_S = 10.0
"""A decoder that ran out of time is not to blame if reading the original took so long as well: the store hung."""


class Attempts:
    """``limit`` is the maximum number of attempts of an image alone; ``faults`` detects faults of the node.

    The first attempt is made beside others. If the node dies meanwhile it counts against nobody.
    """

    def __init__(self, context: UnitContext, units: Sequence[Unit], limit: int, faults: NodeFaults | None) -> None:
        self._context = context
        self._units = units
        self._limit = limit
        self._faults = faults
        self._copies = CopyFinder(context, units)
        self._solitude = Solitude()
        self._failed = Counter[InstanceDigest]()
        """Errors of this life of the node, which are no deaths."""

    @contextmanager
    def begun(self, digest: InstanceDigest) -> Iterator[Attempt | None]:
        """A new attempt, counted, during the block; None if nothing remains to be done.

        ResourcesError while the node is at fault, or stops.
        """
        if self._faults is not None:
            with self._forgetting(digest):
                self._faults.admit()
        with ExitStack() as place:
            place.enter_context(self._solitude.together())
            try:
                attempt = self._begin(digest, is_alone=False)
            except _SuspectError as suspect:
                place.close()
                place.enter_context(self._solitude.alone(suspect.deaths))
                attempt = self._begin(digest, is_alone=True)
            if attempt is None:
                yield None
                return
            with self._counted(attempt):
                yield attempt
        self._failed.pop(digest, None)

    def close(self) -> None:
        """Let no attempt begin any more."""
        self._solitude.close()

    def _begin(self, digest: InstanceDigest, *, is_alone: bool) -> Attempt | None:
        """Count an attempt; _SuspectError, without a count, if the node died in one before and others are judged."""
        with self._context.database.begin() as transaction:
            attempt = judgements.begin(transaction, digest, datetime.now(UTC))
            deaths = attempt.number - 1 - self._failed[digest] if attempt is not None else 0
            if attempt is not None and deaths > 0 and not (is_alone or self.is_over(attempt)):
                raise _SuspectError(deaths - 1)
            if attempt is None or self._copies.is_only(transaction, attempt.instance):
                return attempt
        if self.is_over(attempt):
            return attempt
        with self._counted(attempt):
            own = self._copies.settle(attempt.instance)
        # None: the same image came before, in another encoding
        return None if own is None else replace(attempt, instance=own)

    def is_over(self, attempt: Attempt) -> bool:
        """Whether it was alone in as many attempts before as the limit allows."""
        return attempt.number - 1 > self._limit

    @contextmanager
    def _counted(self, attempt: Attempt) -> Iterator[None]:
        """Undo the count if resources are missing: the image is not to blame, and is not quarantined."""
        digest = attempt.instance.digest
        try:
            yield
        except Exception as error:
            if not lacks_resources(error):
                self._failed[digest] += 1
            elif attempt.number:
                with suppress(MiqaError), self._context.database.begin() as transaction:
                    judgements.take_back_attempt(transaction, attempt.instance)
            raise

    def judge(self, attempt: Attempt) -> AssessorResult | None:
        """Let the unit read and judge the image; an image that cannot be judged is NOT_ASSESSED with the reason.

        None if the verdict in force stays, because something that it was given for is not here any more.
        """
        instance = attempt.instance
        if instance.generation and (damage := stored_damage(instance, self._units, self._context)):
            result = self._restated(instance)
            if result is None:
                self.abandon(instance, damage)
        else:
            result = self._judged(attempt)
        if result is None:
            return None
        own = replace(
            result.assessment,
            generation=instance.generation,
            assessed_at=attempt.began_at,
            usual_ranges=attempt.usual_ranges,
        )
        return replace(result, assessment=own)

    def _restated(self, instance: StoredInstance) -> AssessorResult | None:
        """The stored assessment with what is known now; None if that changes nothing."""
        with self._context.database.begin() as transaction:
            stored = instances.load_assessment(transaction, instance.digest)
        if stored is None:
            return None
        assessment = unit_of(instance.header, self._units).restated(instance, stored, self._context)
        return None if assessment == stored else AssessorResult(assessment, is_stored=True)

    def _judged(self, attempt: Attempt) -> AssessorResult | None:
        instance = attempt.instance
        if self.is_over(attempt):
            # The image killed its worker every time: a reason for people is better than another dead worker.
            self.blame(instance, Phrase("its worker died"))
            count = f"{attempt.number - 1}"
            reason = Phrase("The assessment was begun {attempt} times and never finished.", attempt=count)
            return None if self.joins(instance) else not_assessed(instance, reason, quarantined=True)
        try:
            result = unit_of(instance.header, self._units).judge(instance, self._context)
        except (DecodeError, NotFoundError, FileNotFoundError) as error:
            return self._not_judged(instance, error)
        if self._faults is not None:
            self._faults.succeeded()
        return result

    def _not_judged(
        self, instance: StoredInstance, error: DecodeError | NotFoundError | FileNotFoundError
    ) -> AssessorResult | None:
        """The reason for people, if the image or what is stored of it is to blame; else the error is raised.

        None if it joins a verdict that stands.
        """
        if isinstance(error, RemovedError) and not instance.generation:
            return None if self.joins(instance) else not_assessed(instance, str(error))
        if isinstance(error, RemovedError):
            raise error  # the existing verdict is better than none
        begun_at = time.monotonic()
        if damage := stored_damage(instance, self._units, self._context):
            return None if self.joins(instance) else not_assessed(instance, damage, quarantined=True)
        if not isinstance(error, DecodeError):
            raise error
        if isinstance(error, DecodeLimitError) and time.monotonic() - begun_at > SLOW_S:
            raise ResourcesError("The object store answers too slowly to judge an image.") from error
        # One sender may have many images with damaged pixels; a decoder that dies or hangs is a different fault.
        self.blame(instance, Phrase("the decoder died or hung") if isinstance(error, DecodeLimitError) else "")
        if self.joins(instance):
            return None
        return not_assessed(instance, Phrase("The pixels could not be decoded: {error}", error=error))

    def joins(self, instance: StoredInstance) -> bool:
        """Whether it came later than the verdict of its series, which holds for it, too: it cannot be measured."""
        unit = unit_of(instance.header, self._units)
        if instance.generation or not unit.needs_others:
            return False
        members, now = unit.members(instance, self._context), datetime.now(UTC)
        with self._context.database.begin() as transaction:
            is_joined = latecomers.join_standing(transaction, instance, members, now)
        if is_joined:
            log.warning("late slices cannot be measured, the verdict stands", digest=instance.digest[:16])
        return is_joined

    def abandon(self, instance: StoredInstance, reason: str) -> None:
        """End a repeated judgement: the verdict in force stays."""
        log.warning("an image cannot be judged again, its verdict stays", digest=instance.digest[:16], reason=reason)
        with self._context.database.begin() as transaction:
            judgements.abandon(transaction, instance, reason, datetime.now(UTC))

    def blame(self, instance: StoredInstance, fault: str) -> None:
        """Raise ResourcesError, so the image waits, if the node is at fault and not the image."""
        if self._faults is not None:
            with self._forgetting(instance.digest):
                self._faults.blame(instance.digest, fault)

    @contextmanager
    def _forgetting(self, digest: InstanceDigest) -> Iterator[None]:
        """Do not count an attempt that failed while the node was at fault."""
        try:
            yield
        except ResourcesError:
            with self._context.database.begin() as transaction:
                judgements.forget_attempts(transaction, digest)
            raise


class _SuspectError(Exception):
    """The node died while the unit was judged, alone in ``deaths`` of these times."""

    def __init__(self, deaths: int) -> None:
        super().__init__(deaths)
        self.deaths = deaths


def stored_damage(instance: StoredInstance, units: Sequence[Unit], context: UnitContext) -> str:
    """Why a unit cannot be judged from its stored originals, which is not the image's fault; empty if it can.

    Raises
    ------
    ResourcesError
        They cannot be read now, so nothing is known.
    """
    others = unit_of(instance.header, units).members(instance, context)
    digests = dict.fromkeys((instance.digest, *others))
    states = (context.artifacts.verify_original(context.database, digest) for digest in digests)
    return next((ORIGINAL[state] for state in states if state is not Soundness.SOUND), "")
