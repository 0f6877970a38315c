"""Reads of a header what tells slices at one place apart: the volume that a slice belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydicom import Dataset

from miqa_node.dicom.bytes.numbers import first_number, numbers
from miqa_node.stages.measure.groups import group_of
from miqa_node.stages.measure.slice_facts import b_value_of_frame, private_direction, shown_by

KEYWORDS = (
    "AcquisitionDateTime", "AcquisitionNumber", "AcquisitionTime", "ContentTime", "ContrastBolusAgentPhase",
    "DiffusionBValue", "DiffusionGradientOrientation", "EchoTime", "InversionTime", "TemporalPositionIdentifier",
    "TriggerTime",
)  # fmt: skip


class VolumeSigns(NamedTuple):
    """What may differ between volumes of a series; None where the header does not say.

    ``component`` to ``respiratory_percent`` are of what is shown, the rest of when it was acquired. Times of a day are
    in seconds.
    """

    component: str = ""
    b_value: float | None = None
    direction: tuple[float, ...] | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    agent_phase: str = ""
    cardiac_percent: float | None = None
    respiratory_percent: float | None = None
    temporal_position: float | None = None
    acquisition: float | None = None
    trigger_ms: float | None = None
    acquired_s: float | None = None
    content_s: float | None = None


NO_SIGNS = VolumeSigns()
SHOWN = VolumeSigns._fields[:8]
"""Volumes that differ in one of these do not show the same."""
TIMED = VolumeSigns._fields[8:]


def signs_of(ds: Dataset, frame: int, image_type: Sequence[str]) -> VolumeSigns:
    """Those of a frame."""
    diffusion = group_of(ds, frame, "MRDiffusionSequence")
    gradient = next(iter(diffusion.get("DiffusionGradientDirectionSequence") or ()), ds)
    content = group_of(ds, frame, "FrameContentSequence")
    heart = group_of(ds, frame, "CardiacSynchronizationSequence")
    breath = group_of(ds, frame, "RespiratorySynchronizationSequence")
    return VolumeSigns(
        component=shown_by(ds, frame, image_type),
        b_value=b_value_of_frame(ds, frame),
        direction=numbers(gradient, "DiffusionGradientOrientation", 3) or private_direction(ds),
        echo_ms=first_number(group_of(ds, frame, "MREchoSequence"), "EffectiveEchoTime")
        or first_number(ds, "EchoTime"),
        inversion_ms=first_number(group_of(ds, frame, "MRModifierSequence"), "InversionTimes")
        or first_number(ds, "InversionTime"),
        agent_phase=str(group_of(ds, frame, "ContrastBolusUsageSequence").get("ContrastBolusAgentPhase") or ""),
        cardiac_percent=first_number(heart, "NominalPercentageOfCardiacPhase"),
        respiratory_percent=first_number(breath, "NominalPercentageOfRespiratoryPhase"),
        temporal_position=first_number(content, "TemporalPositionIndex")
        or first_number(ds, "TemporalPositionIdentifier"),
        acquisition=first_number(content, "FrameAcquisitionNumber") or first_number(ds, "AcquisitionNumber"),
        trigger_ms=first_number(heart, "NominalCardiacTriggerDelayTime") or first_number(ds, "TriggerTime"),
        acquired_s=seconds(content.get("FrameAcquisitionDateTime") or ds.get("AcquisitionTime")),
        content_s=seconds(content.get("FrameReferenceDateTime") or ds.get("ContentTime")),
    )


def seconds(value: object) -> float | None:
    """Seconds of the day of a TM or DT value; None if it is none.

    >>> seconds("101500.25"), seconds("20261120101500"), seconds("x"), seconds(None)
    (36900.25, 36900.0, None, None)
    """
    text, _, fraction = str(value or "").strip().partition(".")
    text = text.replace(":", "")
    digits = text[8:14] if len(text) >= 12 else text[:6]
    fraction = "".join(one for one in fraction[:6] if one.isdigit())
    if len(digits) < 4 or not digits.isdigit():
        return None
    hours, minutes, rest = int(digits[:2]), int(digits[2:4]), int(digits[4:6] or 0)
    return 3600.0 * hours + 60.0 * minutes + rest + float(f"0.{fraction or 0}")
