"""Units of other distributions that were written for an earlier :class:`~miqa_node.stages.units.base.Unit`.

They judge in two steps, ``read`` and then ``judge`` of what was read, or their ``outputs`` take instance, assessment
and disposition one by one. They have ``miqa_api = 1`` like newer ones, and go on working unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, cast

from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.observe.stages import StageClock
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.units.base import Unit, UnitContext


def judged_by(unit: Unit, instance: StoredInstance, context: UnitContext) -> AssessorResult:
    """What the unit says of the object, in one step or in two; the second one is given what the first one read."""
    read = getattr(unit, "read", None)
    if read is None:
        return unit.judge(instance, context)
    clock, judge = StageClock(), cast("Callable[[StoredInstance, Any, UnitContext], AssessorResult]", unit.judge)
    result = judge(instance, read(instance, context, clock), context)
    timings_ms = {**clock.milliseconds, **result.assessment.timings_ms}
    return replace(result, assessment=replace(result.assessment, timings_ms=timings_ms))


def outputs_of(unit: Unit, judgement: Judgement, context: UnitContext) -> Sequence[MadeObject]:
    """The DICOM objects that carry the verdict."""
    if len(signature(unit.outputs).parameters) == len(("judgement", "context")):
        return unit.outputs(judgement, context)
    outputs = cast("Callable[..., Sequence[MadeObject]]", unit.outputs)
    return outputs(judgement.instance, judgement.assessment, judgement.disposition, context)
