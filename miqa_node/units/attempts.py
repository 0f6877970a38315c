"""Attempts to judge a unit: how many there were, and whether the image or the node is to blame when one fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from miqa_node.domain.instance import InstanceDigest, StoredInstance
from miqa_node.domain.ports import AssessorResult, FaultJudge
from miqa_node.errors import (
    DecodeError,
    DecodeLimitError,
    MiqaError,
    RemovedError,
    ResourcesError,
    lacks_resources,
)
from miqa_node.observe.stages import StageClock
from miqa_node.store import judgements
from miqa_node.units.base import Unit, UnitContext, not_assessed, unit_of


class Attempts:
    """``limit`` is how often an image may be begun; ``faults`` tells whether the node itself is at fault."""

    def __init__(self, context: UnitContext, units: Sequence[Unit[Any]], limit: int, faults: FaultJudge | None) -> None:
        self._context = context
        self._units = units
        self._limit = limit
        self._faults = faults

    def begin(self, digest: InstanceDigest) -> tuple[StoredInstance, int] | None:
        """Count a new attempt; None if nothing is left to do. Raises ResourcesError while the node is at fault."""
        if self._faults is not None:
            with self._forgetting(digest):
                self._faults.check()
        with self._context.database.begin() as transaction:
            return judgements.begin(transaction, digest)

    def is_over(self, attempt: int) -> bool:
        """Whether the image was begun too often."""
        return attempt > self._limit

    @contextmanager
    def counted(self, instance: StoredInstance) -> Iterator[None]:
        """An attempt that lacks resources does not count: the image is not to blame, and is not quarantined."""
        try:
            yield
        except Exception as error:
            if lacks_resources(error):
                with suppress(MiqaError), self._context.database.begin() as transaction:
                    judgements.take_back_attempt(transaction, instance)
            raise

    def judge(self, instance: StoredInstance, attempt: int) -> AssessorResult:
        """Have the unit read and judge the image; what cannot be judged is NOT_ASSESSED with the reason."""
        if self.is_over(attempt):
            # It killed its worker every time: an answer for people is better than another dead worker.
            self.blame(instance, "its worker died")
            reason = f"The assessment was begun {attempt - 1} times and never finished."
            return not_assessed(instance, reason, quarantined=True)
        unit, clock = unit_of(instance.header, self._units), StageClock()
        try:
            content = unit.read(instance, self._context, clock)
            result = unit.judge(instance, content, self._context)
        except DecodeError as error:
            # Pixels may be damaged in many images of one sender; a decoder that dies or hangs is another matter.
            self.blame(instance, "the decoder died or hung" if isinstance(error, DecodeLimitError) else "")
            return not_assessed(instance, f"The pixels could not be decoded: {error}")
        except RemovedError as error:
            if instance.generation:
                raise  # the verdict that it has is better than no verdict
            return not_assessed(instance, str(error))
        if self._faults is not None:
            self._faults.succeeded()
        timings_ms = {**clock.milliseconds, **result.assessment.timings_ms}
        assessment = replace(result.assessment, timings_ms=timings_ms, generation=instance.generation)
        return replace(result, assessment=assessment)

    def blame(self, instance: StoredInstance, fault: str) -> None:
        """Raise ResourcesError, so that the image waits, if not the image but the node is at fault."""
        if self._faults is not None:
            with self._forgetting(instance.digest):
                self._faults.blame(instance.digest, fault)

    @contextmanager
    def _forgetting(self, digest: InstanceDigest) -> Iterator[None]:
        """Attempts that failed while the node was at fault do not count."""
        try:
            yield
        except ResourcesError:
            with self._context.database.begin() as transaction:
                judgements.forget_attempts(transaction, digest)
            raise
