"""Judges one decoded image: measurements always, findings and saliency where a model package applies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.measure.projection import measure
from miqa_node.assess.packages import Package
from miqa_node.domain.assessment import Assessment, Measurement
from miqa_node.domain.finding import FINDING_CODES, GATE_CODES, Finding, FindingName, GateClass, quality_score
from miqa_node.domain.image import Radiograph, SaliencyMap
from miqa_node.domain.instance import Header, InstanceDigest
from miqa_node.domain.ports import Judgement
from miqa_node.imaging.kinds import is_projection
from miqa_node.imaging.plausibility import check

T = TypeVar("T")


class ImageAssessor:
    """See :class:`~miqa_node.domain.ports.Assessor`; without a package it only measures."""

    def __init__(self, package: Package | None) -> None:
        self._package = package

    def assess(self, header: Header, radiograph: Radiograph, digest: InstanceDigest) -> Judgement:
        """Measure, check plausibility, and have the model judge what its card covers."""
        clock = _Clock()
        measurements: tuple[Measurement, ...] = ()
        if is_projection(header):
            measurements = clock.time("measure", lambda: measure(radiograph, header))
        plausibility = clock.time("plausibility", lambda: check(header, radiograph, measurements))
        reason = self._out_of_scope(header, radiograph)
        findings: tuple[Finding, ...] = ()
        gate: Mapping[GateClass, float] = {}
        maps: Mapping[FindingName, SaliencyMap] = {}
        if self._package is not None and not reason:
            findings, gate, maps = _judge(self._package, radiograph, clock)
        assessment = Assessment(
            digest=digest,
            header=header,
            assessed_at=datetime.now(UTC),
            findings=findings,
            gate=gate,
            measurements=measurements,
            plausibility=plausibility,
            score=quality_score(findings) if findings else None,
            model=self._package.identity if self._package is not None and findings else None,
            not_assessed=reason,
            calibration=self._package.calibration.identity if self._package is not None and findings else "",
            decoder=radiograph.decoder,
            steps=radiograph.steps,
            timings_ms=clock.milliseconds,
        )
        return Judgement(assessment, maps)

    def _out_of_scope(self, header: Header, radiograph: Radiograph) -> str:
        if self._package is None:
            return "No quality model is installed."
        if radiograph.frames > 1:
            return "The image has several frames; the model judges single radiographs."
        return self._package.card.applicability.excludes(header, radiograph.spacing_mm)


def _judge(
    package: Package, radiograph: Radiograph, clock: _Clock
) -> tuple[tuple[Finding, ...], dict[GateClass, float], dict[FindingName, SaliencyMap]]:
    inputs = clock.time("preprocess", lambda: package.prepare(radiograph.display, radiograph.valid))
    outputs = clock.time("infer", lambda: package.run(inputs.arrays))
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
    maps = {
        FindingName(row.name): SaliencyMap(
            _normalised(inputs.to_source(outputs["maps"][0, index])), package.card.saliency.method
        )
        for index, row in enumerate(package.card.outputs.classes)
        if not row.gate and findings[index].present
    }
    return tuple(findings), gate, maps


def gate_finding(gate: Mapping[GateClass, float], thresholds: Mapping[GateClass, float]) -> Finding:
    """The gate as one row: the class that is furthest beyond, or nearest to, its own threshold."""
    worst = max(gate, key=lambda name: gate[name] - thresholds[name])
    return Finding(FindingName.GATE, GATE_CODES[worst], gate[worst], gate[worst], thresholds[worst])


def _normalised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale to [0, 1] by the map's peak; an all-zero map stays zero."""
    peak = float(values.max(initial=0.0))
    return np.clip(values / peak, 0.0, 1.0).astype(np.float32) if peak > 0 else np.zeros_like(values)


class _Clock:
    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        result = work()
        self.milliseconds[stage] = round((time.perf_counter() - started) * 1e3, 1)
        return result
