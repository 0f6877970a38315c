"""Judges one decoded image: measurements always, findings and saliency where a model package applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.anomaly.detector import AnomalyDetector
from miqa_node.assess.maps import with_peaks
from miqa_node.assess.measure.projection import measure
from miqa_node.assess.measured import CONTRIBUTIONS, contributions_of, inputs_of
from miqa_node.assess.packages import Package
from miqa_node.assess.preprocess import Inputs
from miqa_node.assess.saliency.explainer import Explainer
from miqa_node.assess.saliency.methods import normalised
from miqa_node.domain.anomaly import AnomalyScore
from miqa_node.domain.assessment import Assessment, Contribution, Measurement, PlausibilityIssue
from miqa_node.domain.finding import FINDING_CODES, GATE_CODES, Finding, FindingName, GateClass, quality_score
from miqa_node.domain.image import Radiograph, SaliencyMap
from miqa_node.domain.instance import Header, InstanceDigest
from miqa_node.domain.ports import Judgement
from miqa_node.imaging.kinds import is_projection
from miqa_node.imaging.plausibility import check
from miqa_node.observe.stages import StageClock


class ImageAssessor:
    """See :class:`~miqa_node.domain.ports.Assessor`; without a package it only measures."""

    def __init__(
        self, package: Package | None, explainer: Explainer | None = None, data_dir: Path | None = None
    ) -> None:
        """Without an explainer the class maps of the graph show where findings were seen.

        ``data_dir`` is where the site's own anomaly baseline lies; without it the package's own counts.
        """
        self._package = package
        self._explainer = explainer
        self._detector: AnomalyDetector | None = None
        if package is not None and package.anomaly is not None:
            self._detector = AnomalyDetector(package.anomaly, package.name, data_dir)

    def assess(self, header: Header, radiograph: Radiograph, digest: InstanceDigest) -> Judgement:
        """Measure, check plausibility, and have the model judge what its card covers."""
        clock = StageClock()
        measurements: tuple[Measurement, ...] = ()
        if is_projection(header):
            measurements = clock.time("measure", lambda: measure(radiograph, header))
        plausibility = clock.time("plausibility", lambda: check(header, radiograph, measurements))
        reason = self._out_of_scope(header, radiograph)
        findings: tuple[Finding, ...] = ()
        gate: Mapping[GateClass, float] = {}
        maps: Mapping[FindingName, SaliencyMap] = {}
        anomaly: AnomalyScore | None = None
        anomaly_map: SaliencyMap | None = None
        contributions: Mapping[FindingName, tuple[Contribution, ...]] = {}
        if self._package is not None and not reason:
            if self._package.judges_measurements:
                findings, gate, contributions = _judge_measurements(self._package, measurements, clock)
            else:
                inputs, outputs = _run(self._package, radiograph, clock)
                findings, gate, maps = _judge(self._package, self._explainer, inputs, outputs, clock)
                if (detector := self._detector) is not None:
                    anomaly, anomaly_map = clock.time("anomaly", lambda: detector.judge(outputs, inputs))
                plausibility = _without_overruled(plausibility, gate, self._package)
        assessment = Assessment(
            digest=digest,
            header=header,
            assessed_at=datetime.now(UTC),
            findings=with_peaks(findings, maps),
            gate=gate,
            measurements=measurements,
            plausibility=plausibility,
            anomaly=anomaly,
            score=quality_score(findings) if findings else None,
            model=self._package.identity if self._package is not None and findings else None,
            not_assessed=reason,
            calibration=self._package.calibration.identity if self._package is not None and findings else "",
            decoder=radiograph.decoder,
            steps=radiograph.steps,
            timings_ms=clock.milliseconds,
            contributions=contributions,
        )
        return Judgement(assessment, maps, anomaly_map)

    def _out_of_scope(self, header: Header, radiograph: Radiograph) -> str:
        if self._package is None:
            return "No quality model is installed."
        if radiograph.frames > 1:
            return "The image has several frames; the model judges single radiographs."
        return self._package.card.applicability.excludes(header, radiograph.spacing_mm)


def _run(package: Package, radiograph: Radiograph, clock: StageClock) -> tuple[Inputs, dict[str, NDArray[np.float32]]]:
    inputs = clock.time("preprocess", lambda: package.prepare(radiograph.display, radiograph.valid))
    return inputs, clock.time("infer", lambda: package.run(inputs.arrays))


def _judge(
    package: Package, explainer: Explainer | None, inputs: Inputs, outputs: Mapping[str, NDArray[np.float32]],
    clock: StageClock,
) -> tuple[tuple[Finding, ...], dict[GateClass, float], dict[FindingName, SaliencyMap]]:  # fmt: skip
    findings, gate = _read(package, outputs)
    return findings, gate, _maps(package, explainer, inputs, outputs["maps"][0], findings, clock)


def _judge_measurements(
    package: Package, measurements: Sequence[Measurement], clock: StageClock
) -> tuple[tuple[Finding, ...], dict[GateClass, float], dict[FindingName, tuple[Contribution, ...]]]:
    """A model of numbers has no maps; it says instead what each number did to each finding that is present."""
    card = package.card
    outputs = clock.time("infer", lambda: package.run(inputs_of(measurements, card.measurements)))
    findings, gate = _read(package, outputs)
    present = {f.name.value for f in findings if f.present}
    parts = {
        FindingName(row.name): contributions_of(outputs[CONTRIBUTIONS][0, index], measurements, card.measurements)
        for index, row in enumerate(card.outputs.classes)
        if not row.gate and row.name in present
    }
    return findings, gate, parts


def _read(
    package: Package, outputs: Mapping[str, NDArray[np.float32]]
) -> tuple[tuple[Finding, ...], dict[GateClass, float]]:
    """Findings and gate from logits and severities, as the card calibrates them."""
    probability = package.probabilities(outputs["logits"])
    severity = outputs["severity"][0]
    findings = [
        Finding(
            FindingName(row.name),
            FINDING_CODES[FindingName(row.name)],
            float(probability[index]),
            float(np.clip(severity[index], 0.0, 1.0)),
            row.threshold,
        )
        for index, row in enumerate(package.card.outputs.classes)
        if not row.gate
    ]
    gate = {
        GateClass(row.name): float(probability[index])
        for index, row in enumerate(package.card.outputs.classes)
        if row.gate
    }
    if gate:
        thresholds = {GateClass(row.name): row.threshold for row in package.card.outputs.classes if row.gate}
        findings.append(gate_finding(gate, thresholds))
    return tuple(findings), gate


def _maps(
    package: Package, explainer: Explainer | None, inputs: Inputs, class_maps: NDArray[np.float32],
    findings: Sequence[Finding], clock: StageClock,
) -> dict[FindingName, SaliencyMap]:  # fmt: skip
    """Where each present defect was seen."""
    present = {f.name.value for f in findings if f.present}
    shown = {n: row.name for n, row in enumerate(package.card.outputs.classes) if not row.gate and row.name in present}
    if explainer is None or not shown:
        maps, method = {n: normalised(inputs.to_source(class_maps[n])) for n in shown}, package.card.saliency.method
    else:
        explanation = clock.time("explain", lambda: explainer.explain(inputs, class_maps, tuple(shown)))
        maps, method = dict(explanation.maps), explanation.method
    return {FindingName(name): SaliencyMap(maps[n], method) for n, name in shown.items()}


def _without_overruled(
    issues: tuple[PlausibilityIssue, ...], gate: Mapping[GateClass, float], package: Package
) -> tuple[PlausibilityIssue, ...]:
    """A model that learned what inverted images look like knows better than fixed boxes on the image do."""
    thresholds = {row.name: row.threshold for row in package.card.outputs.classes}
    inverted = GateClass.INVERTED
    if inverted not in gate or gate[inverted] >= thresholds[inverted]:
        return issues
    return tuple(issue for issue in issues if issue.name != "inverted_look")


def gate_finding(gate: Mapping[GateClass, float], thresholds: Mapping[GateClass, float]) -> Finding:
    """The gate as one row: the class that is furthest beyond, or nearest to, its own threshold."""
    worst = max(gate, key=lambda name: gate[name] - thresholds[name])
    return Finding(FindingName.GATE, GATE_CODES[worst], gate[worst], gate[worst], thresholds[worst])
