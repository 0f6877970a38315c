"""An image of another kind, such as a hand: the reason is kept, and what needs no anatomy.

Score, points and findings about anatomy are about a frontal chest. On a hand they are wrong, and advice that follows
from them sends somebody to repeat an image that may be good. Motion, sharpness, noise, exposure and the detector are
the same on any part, and a chest that is hardly one for its motion is refused like a hand.
"""

from __future__ import annotations

from dataclasses import replace

from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_title, gate_entries, is_of_any_part
from miqa_node.stages.assess.contradiction import shows_another

OF_CHESTS = frozenset({"inverted_look"})
"""Issues that compare lungs with the mediastinum."""
PIXELS_SHOW_ANOTHER = "the pixels show another kind of image."
NO_LUNGS = "the pixels show no lungs."


def of_gate(judgement: AssessorResult) -> AssessorResult:
    """The judgement; only its reason if the quality package's gate saw another kind of image."""
    gate = judgement.assessment.gate_class
    entry = None if gate is None else gate_entries().get(gate)
    if gate is None or entry is None or not entry.another_kind:
        return judgement
    return of_another_kind(judgement, gate, PIXELS_SHOW_ANOTHER)


def noisy_not_blank(judgement: AssessorResult) -> AssessorResult:
    """The judgement without the gate's "blank" where noise is found, and the pixels show something under it.

    It comes last: what such a gate sees is not looked at for anatomy.
    """
    before = judgement.assessment
    noise, row = before.finding(FindingName.NOISE), before.finding(FindingName.GATE)
    if before.gate_class != GateClass.BLANK or row is None or noise is None or not noise.present:
        return judgement
    gate = {name: probability for name, probability in before.gate.items() if name != GateClass.BLANK}
    is_blank = any(one.name == "blank_image" for one in before.plausibility)
    if is_blank or max(gate.values(), default=0.0) >= row.threshold:
        return judgement  # or something else is wrong with it, too
    findings = tuple(one for one in before.findings if one != row)
    return replace(judgement, assessment=replace(before, findings=findings, gate=gate))


def of_another_kind(judgement: AssessorResult, gate: GateClass, reason: str) -> AssessorResult:
    """The judgement without what was seen of the anatomy; measurements are numbers of the pixels, and stay.

    Where the header names a body part, the pixels contradict it.
    """
    before = judgement.assessment
    issues = tuple(one for one in before.plausibility if one.name not in OF_CHESTS)
    findings = tuple(replace(one, peak=None) for one in before.findings if is_of_any_part(one.name))
    assessment = replace(
        before,
        not_assessed=Phrase("{kind}: {reason}", kind=Phrase(finding_title(gate)), reason=Phrase(reason)),
        findings=findings,
        score=None,
        plausibility=(*issues, *shows_another(before.header, gate)),
        anomaly=None,
        contributions={name: of for name, of in before.contributions.items() if is_of_any_part(name)},
        landmarks=None,
        objects=None,
    )
    return AssessorResult(assessment)


def gate_probability(judgement: AssessorResult) -> float:
    """Probability of another kind of image by the quality package; 0 if it has no such class."""
    assessment, entries = judgement.assessment, gate_entries()
    if assessment.finding(FindingName.GATE) is None:
        return 0.0
    return max(
        (p for gate, p in assessment.gate.items() if gate in entries and entries[gate].another_kind), default=0.0
    )
