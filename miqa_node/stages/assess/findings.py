"""Reads findings, gate and contributions from a graph's outputs, whatever its contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from miqa_node.core.domain.assessment import Assessment, Contribution, Measurement
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding, FindingDescription, FindingName, FindingWords, GateClass, humanised
from miqa_node.core.taxonomy.base import SOURCE_LANGUAGE
from miqa_node.core.taxonomy.lookup import description_of, finding_entries, quality_score, reason_code
from miqa_node.stages.assess.card import OutputClass
from miqa_node.stages.assess.contracts.base import CONTRIBUTIONS, LOGITS, SEVERITY, Arrays
from miqa_node.stages.assess.contracts.measurements import contributions_of
from miqa_node.stages.assess.packages import Package
from miqa_node.stages.assess.session import check_finite


@dataclass(frozen=True, slots=True)
class PackageFindings:
    """Findings of a package on an image or a series.

    ``gate`` holds the probability of each gate class; ``contributions`` the contribution of each measurement to each
    present finding, if the graph reports it.
    """

    findings: tuple[Finding, ...]
    gate: Mapping[GateClass, float]
    contributions: Mapping[FindingName, tuple[Contribution, ...]]

    def added_to(self, assessment: Assessment, package: Package) -> Assessment:
        """The assessment with the findings, and with the identity of the package that made them."""
        return replace(
            assessment,
            findings=self.findings,
            gate=self.gate,
            contributions=self.contributions,
            score=quality_score(self.findings) if self.findings else None,
            model=package.identity if self.findings else None,
            calibration=package.calibration.identity if self.findings else "",
        )


def read_findings(package: Package, outputs: Arrays, measurements: Sequence[Measurement]) -> PackageFindings:
    """Findings and gate from logits and severities, as the card calibrates them."""
    probability = package.probabilities(outputs[LOGITS])
    severity = outputs[SEVERITY][0]
    check_finite(package.name, probability, severity)
    rows = list(enumerate(package.card.outputs.classes))
    findings = [
        _finding(row, float(probability[index]), float(np.clip(severity[index], 0.0, 1.0)))
        for index, row in rows
        if not row.gate
    ]
    gate = {GateClass(row.name): float(probability[index]) for index, row in rows if row.gate}
    if gate:
        findings.append(gate_finding(gate, {GateClass(row.name): row.threshold for _, row in rows if row.gate}))
    findings = [replace(one, made_by=(package.identity,)) for one in findings]
    return PackageFindings(tuple(findings), gate, _contributions(package, outputs, measurements, findings))


def gate_finding(gate: Mapping[GateClass, float], thresholds: Mapping[GateClass, float]) -> Finding:
    """The gate as one finding: the class furthest above its threshold, or closest below it."""
    worst = max(gate, key=lambda name: gate[name] - thresholds[name])
    return Finding(FindingName.GATE, reason_code(worst), gate[worst], gate[worst], thresholds[worst])


def _contributions(
    package: Package, outputs: Arrays, measurements: Sequence[Measurement], findings: Sequence[Finding]
) -> dict[FindingName, tuple[Contribution, ...]]:
    """The contribution of each measurement to each present finding, if the graph reports it."""
    if CONTRIBUTIONS not in outputs:
        return {}
    present = {f.name for f in findings if f.present}
    card = package.card
    return {
        FindingName(row.name): contributions_of(outputs[CONTRIBUTIONS][0, index], measurements, card.measurements)
        for index, row in enumerate(card.outputs.classes)
        if not row.gate and row.name in present
    }


def _finding(row: OutputClass, probability: float, severity: float) -> Finding:
    """A finding that is in no taxonomy keeps the card's code and words."""
    name = FindingName(row.name)
    if name in finding_entries():
        code, description = reason_code(name), description_of(name)
    else:
        code = Code(row.code.value, row.code.scheme, row.code.meaning)
        words = row.words or {SOURCE_LANGUAGE: FindingWords(humanised(name))}
        description = FindingDescription(words, row.flags)
    return Finding(name, code, probability, severity, row.threshold, description=description)
