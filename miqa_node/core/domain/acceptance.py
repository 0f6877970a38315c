"""Which measurements suffice for ACCEPT where no model judges, and for which body parts: a table of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.measurand import measurand_of
from miqa_node.core.language.phrase import Phrase, joined

LEAST_SCANNERS = 2
"""Limits that were tried on one scanner describe that scanner."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All of these measurements must have been taken, and no rule may flag.

    The limits of the scope were tried on each ``body_part`` (empty: any), with images of the scanners of ``tried_on``.
    """

    measured: tuple[str, ...]
    body_part: tuple[str, ...]
    tried_on: tuple[str, ...]

    def covers(self, header: Header) -> bool:
        """Whether the limits were tried on this body part."""
        return not self.body_part or header.body_part_examined in self.body_part

    @property
    def labels(self) -> str:
        """The measurements, in words."""
        return labels(self.measured)


def acceptance_of(tables: Sequence[Acceptance], header: Header) -> Acceptance | None:
    """The table of the image's body part, the first that covers it; None if there is none."""
    return next((one for one in tables if one.covers(header)), None)


def untried(tables: Sequence[Acceptance], header: Header) -> str:
    """Why what is measured of the image's body part is experimental, in words; empty if its limits were tried."""
    if acceptance_of(tables, header) is not None:
        return ""
    if not tables:
        return Phrase(
            "Measured, experimental: limits for {kind} have not been tried on two scanners.", kind=header.modality
        )
    if not header.body_part_examined:
        return Phrase(
            "Measured, experimental: the header does not say which body part this is, and limits for {modality} were "
            "tried on some body parts only.",
            modality=header.modality,
        )
    return Phrase(
        "Measured, experimental: limits for {modality} of this body part ({part}) have not been tried on two scanners.",
        modality=header.modality,
        part=header.body_part_examined,
    )


def obstacle(tables: Sequence[Acceptance], assessment: Assessment) -> str:
    """Why an image that no rule flags is not accepted by its measurements, in words; empty if it is."""
    acceptance = acceptance_of(tables, assessment.header)
    if acceptance is None:
        return untried(tables, assessment.header)
    missing = [name for name in acceptance.measured if assessment.measurement(name) is None]
    if not missing:
        return ""
    return Phrase("Not accepted, because it could not be measured: {measurements}.", measurements=labels(missing))


def labels(names: Sequence[str]) -> str:
    """The measurements, in words."""
    return joined(", ", [_label(name) for name in names])


def _label(name: str) -> str:
    measurand = measurand_of(name)
    return Phrase(measurand.label) if measurand is not None else humanised(name)
