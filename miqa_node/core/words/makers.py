"""Who made each statement about an image, as JSON and REST tell it: packages, the node, the header, or the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.verdict import Disposition, Reason
from miqa_node.core.words.algorithms import anomaly_maker, maker_of, makers_of, of_node

HEADER, POLICY = "header", "policy"
SEEN_BY_NODE = {
    "pixels_contradict_body_part", "voi_clips_image", "inverted_look", "burned_in_contradicted", "blank_image",
    "marker_contradicts_laterality", "bits_stored_exceeded", "bits_stored_unused", "matrix_contradicts_header",
    "undecodable_slices", "grayscale_contradiction",
}  # fmt: skip
"""Issues that are no statement of the header alone: the node compared it with the pixels."""


@dataclass(frozen=True, slots=True)
class Makers:
    """By name the packages of each finding, whose network found it first; the maker of each measurement and reason."""

    findings: dict[str, list[dict[str, Any]]]
    measurements: dict[str, str]
    reasons: list[list[str]]
    """Of each reason, in their order: ``<name>-<version>`` of packages or of the node, ``header`` or ``policy``."""

    @classmethod
    def of(cls, assessment: Assessment, disposition: Disposition) -> Makers:
        """All makers of a judgement."""
        return cls(
            {one.name: [maker._asdict() for maker in makers_of(one, assessment)] for one in assessment.findings},
            {one.name: maker_of(one).label for one in assessment.measurements},
            [list(makers_of_reason(one, assessment)) for one in disposition.reasons],
        )


def makers_of_reason(reason: Reason, assessment: Assessment) -> tuple[str, ...]:
    """Who says what a reason of the verdict says; the verdict itself is the policy's."""
    finding = next((one for one in assessment.findings if one.name == reason.name), None)
    measurement = assessment.measurement(reason.name)
    if finding is not None:
        return tuple(one.label for one in makers_of(finding, assessment))
    if measurement is not None:
        return (maker_of(measurement).label,)
    if any(issue.name == reason.name for issue in assessment.plausibility):
        return (HEADER, of_node().label) if reason.name in SEEN_BY_NODE else (HEADER,)
    return (anomaly_maker(assessment).label,) if reason.name == "anomaly" else (POLICY,)
