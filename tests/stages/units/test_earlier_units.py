"""Units of plug-ins that were written for an earlier interface: ``miqa_api`` is 1 still, so they work unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.instance import Header, InstanceDigest, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.policy import Disposition, Verdict
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.observe.stages import StageClock
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DecodeError
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.units.base import Unit, UnitContext, installed, not_assessed
from miqa_node.stages.units.earlier import judged_by, outputs_of

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

    def outputs(self, judgement: Judgement, context: UnitContext) -> Sequence[MadeObject]:
        return _object(judgement.disposition.scope)


class ThreeParts(OneStep):
    """As outputs were before: with instance, assessment and disposition one by one."""

    def outputs(  # type: ignore[override]
        self, instance: StoredInstance, assessment: Assessment, disposition: Disposition, context: UnitContext
    ) -> Sequence[MadeObject]:
        return _object(f"{instance.object_key} {assessment.not_assessed} {disposition.scope}")


def _object(text: str) -> Sequence[MadeObject]:
    return [MadeObject(SR, "1.2.840.10008.5.1.4.1.1.66", "1.2.3", text.encode())]


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


def test_outputs_are_made_of_a_judgement_or_of_its_three_parts(instance: StoredInstance) -> None:
    assessment = not_assessed(instance, "seen").assessment
    judgement = Judgement(instance, assessment, Disposition(Verdict.NOT_ASSESSED, (), "p", "all"))
    made = [outputs_of(unit, judgement, NO_CONTEXT)[0].data for unit in (OneStep(), ThreeParts())]
    assert made == [b"all", b"key seen all"]
    plain = [unit for unit in installed() if unit.name == "unplaced"]
    assert outputs_of(plain[0], judgement, NO_CONTEXT) == ()
