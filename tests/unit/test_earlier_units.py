"""Units of plug-ins that read before they judge: ``miqa_api`` is 1 still, so they work unchanged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from miqa_node.core.domain.instance import Header, InstanceDigest, StoredInstance
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.observe.stages import StageClock
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DecodeError
from miqa_node.stages.units.base import Unit, UnitContext, not_assessed
from miqa_node.stages.units.earlier import judged_by

NO_CONTEXT = cast("UnitContext", None)


class TwoSteps(Unit[str]):  # type: ignore[type-arg]  # as plug-ins wrote it
    """As units were before: the second step is given what the first one read, and a clock times the first."""

    def covers(self, header: Header) -> bool:
        return True

    def read(self, instance: StoredInstance, context: UnitContext, clock: StageClock) -> str:
        return clock.time("fetch", lambda: self.content(instance))

    def judge(self, instance: StoredInstance, content: str, context: UnitContext) -> AssessorResult:  # type: ignore[override]
        return not_assessed(instance, content)

    def content(self, instance: StoredInstance) -> str:
        return f"read {instance.object_key}"


class Damaged(TwoSteps):
    """What it reads is damaged."""

    def content(self, instance: StoredInstance) -> str:
        raise DecodeError("The waveform ends early.")


class OneStep(Unit):
    """As units are now."""

    def covers(self, header: Header) -> bool:
        return True

    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:
        return not_assessed(instance, "judged")


@pytest.fixture
def instance(samples: Path) -> StoredInstance:
    header, _ = read_header(samples / "RG1_UNCR.dcm")
    return StoredInstance(InstanceDigest("a" * 64), header, "key", datetime.now(UTC), "SENDER")


def test_a_unit_of_two_steps_is_given_what_it_read_and_its_times_are_kept(instance: StoredInstance) -> None:
    assessment = judged_by(TwoSteps(), instance, NO_CONTEXT).assessment
    assert assessment.not_assessed == "read key"
    assert set(assessment.timings_ms) == {"fetch"}


def test_what_cannot_be_read_is_an_error_of_the_image(instance: StoredInstance) -> None:
    with pytest.raises(DecodeError, match="ends early"):
        judged_by(Damaged(), instance, NO_CONTEXT)


def test_a_unit_of_one_step_has_nothing_to_read(instance: StoredInstance) -> None:
    assert judged_by(OneStep(), instance, NO_CONTEXT).assessment.not_assessed == "judged"


def test_a_class_may_still_say_what_it_read() -> None:
    assert cast("Any", Unit)[str] is Unit
    assert issubclass(TwoSteps, Unit)
