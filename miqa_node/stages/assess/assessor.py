"""Judges one decoded image: measurements always, findings and saliency where a model package applies.

Measuring and the quality graph take about as long as each other and need nothing of each other, so they run at the same
time where a core is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import NO_MODEL, Assessment, LeftOut, Measurement, PlausibilityIssue
from miqa_node.core.domain.decision import shown_findings
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.stages import StageClock
from miqa_node.dicom.pixels.plausibility import check
from miqa_node.stages.assess.anomaly.detector import AnomalyDetector
from miqa_node.stages.assess.another_kind import of_gate
from miqa_node.stages.assess.appearance import Appearance, appearance_of
from miqa_node.stages.assess.contracts.base import MAPS, Array, GraphInputs, ModelMaterial
from miqa_node.stages.assess.displayed import with_displayed_contrast
from miqa_node.stages.assess.findings import read_findings
from miqa_node.stages.assess.grain import with_measured_noise
from miqa_node.stages.assess.maps import with_peaks
from miqa_node.stages.assess.packages import Package
from miqa_node.stages.explain.explainer import Explainer
from miqa_node.stages.explain.methods import normalised
from miqa_node.stages.measure.projection import numbers_of
from miqa_node.stages.measure.view import ImageView


@dataclass(frozen=True, slots=True)
class GraphRun:
    """The inputs of a quality graph, and its outputs by name."""

    inputs: GraphInputs
    outputs: Mapping[str, Array]

    @property
    def arrays(self) -> dict[str, Array]:
        """What the graph got and what it gave: maps begin where its run ended."""
        return {**self.outputs, **self.inputs.arrays}

    def to_source(self, values: Array) -> Array:
        """See :class:`GraphInputs`."""
        return self.inputs.to_source(values)


@dataclass(frozen=True, slots=True)
class ImageNumbers:
    """The published measurements, and the numbers that decide on noise and contrast; nothing of other images."""

    measurements: tuple[Measurement, ...] = ()
    appearance: Appearance | None = None
    left_out: tuple[LeftOut, ...] = ()


class ImageAssessor:
    """An :class:`~miqa_node.core.domain.ports.Assessor` for one image; without a package it only measures."""

    def __init__(
        self,
        package: Package | None,
        explainer: Explainer | None = None,
        data_dir: Path | None = None,
        policy: Callable[[], Policy] | None = None,
    ) -> None:
        """Without an explainer, the graph's own class maps show where findings were seen.

        ``data_dir`` holds the site's anomaly baseline; without it the package's baseline is used. ``policy`` is that in
        force, with the limits of rooms: what they flag is shown, too.
        """
        self._policy = policy
        self._package = package
        self._explainer = explainer
        self._detector: AnomalyDetector | None = None
        if package is not None and package.anomaly is not None:
            self._detector = AnomalyDetector(package.anomaly, package.name, data_dir)

    def assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        """Measure, check plausibility, and have the model judge what its card covers."""
        clock, not_assessed = StageClock(), self._out_of_scope(header, radiograph)
        package = None if not_assessed else self._package
        with ThreadPoolExecutor(1, "measure") as beside:
            measuring = beside.submit(copy_context().run, _measure, radiograph, header, traits, clock)
            run = None if package is None else _run(package, header, radiograph, measuring, clock)
            numbers = measuring.result()
        plausibility = clock.time("plausibility", lambda: check(header, traits, radiograph, numbers.measurements))
        assessment = Assessment(
            digest=digest,
            header=header,
            assessed_at=datetime.now(UTC),
            measurements=numbers.measurements,
            left_out=numbers.left_out,
            plausibility=plausibility,
            not_assessed=not_assessed,
            decoder=radiograph.decoder,
            steps=radiograph.steps,
        )
        result = AssessorResult(assessment)
        if package is not None and run is not None:
            result = self._judge(package, assessment, run, numbers.appearance, clock)
        return replace(result, assessment=replace(result.assessment, timings_ms=clock.milliseconds))

    def judge(self, assessment: Assessment, radiograph: Radiograph) -> AssessorResult:
        """Add the package's findings to an image that is measured already and that the package covers."""
        if self._package is None:
            return AssessorResult(assessment)
        clock, header, package = StageClock(), assessment.header, self._package
        material = ModelMaterial(radiograph, assessment.measurements, header=header)
        inputs = clock.time("preprocess", lambda: package.contract.prepare(package.card, material))
        run = GraphRun(inputs, clock.time("infer", lambda: package.run(inputs.arrays)))
        appearance = clock.time("measure", lambda: appearance_of(ImageView(radiograph, header)))
        return self._judge(package, assessment, run, appearance, clock)

    def _judge(
        self, package: Package, assessment: Assessment, run: GraphRun, appearance: Appearance | None, clock: StageClock
    ) -> AssessorResult:
        """Add the package's findings on an image that it covers."""
        inputs, outputs, header = run.inputs, run.outputs, assessment.header
        judged = read_findings(package, outputs, assessment.measurements)
        findings = with_displayed_contrast(judged.findings, assessment.measurements, header, appearance)
        for_chests = package.card.applicability.is_for_chests
        findings = with_measured_noise(findings, appearance, header, for_chests=for_chests)
        if self._policy is not None:
            measured = replace(judged, findings=findings).added_to(assessment, package)
            findings = shown_findings(measured, self._policy())
        judged = replace(judged, findings=findings)
        another = of_gate(AssessorResult(judged.added_to(assessment, package)))
        if another.assessment.is_of_another_kind:
            return another  # nothing is explained that nobody will see
        maps = _maps(package, self._explainer, run, judged.findings, clock)
        anomaly: AnomalyScore | None = None
        anomaly_map: SaliencyMap | None = None
        if (detector := self._detector) is not None:
            anomaly, anomaly_map = clock.time("anomaly", lambda: detector.judge(outputs, inputs))
        issues = assessment.plausibility
        if package.contract.map_tensors(package.card) is not None:
            issues = _without_overruled(issues, judged.gate, package)
        assessment = replace(
            judged.added_to(assessment, package),
            findings=with_peaks(judged.findings, maps),
            anomaly=anomaly,
            plausibility=issues,
        )
        return AssessorResult(assessment, SaliencyMaps(maps, anomaly_map))

    def _out_of_scope(self, header: Header, radiograph: Radiograph) -> str:
        if self._package is None:
            return NO_MODEL
        if self._package.contract.unit != "image":
            return Phrase("The model judges series; this is an image.")
        if radiograph.frames > 1:
            return Phrase("The image has several frames; the model judges single radiographs.")
        return self._package.card.applicability.excludes(header, radiograph.spacing_mm)


def _measure(radiograph: Radiograph, header: Header, traits: ImageTraits, clock: StageClock) -> ImageNumbers:
    if not traits.is_radiograph:
        return ImageNumbers()
    return clock.time("measure", lambda: _numbers(ImageView(radiograph, header)))


def _numbers(view: ImageView) -> ImageNumbers:
    measurements, left_out = numbers_of(view)
    return ImageNumbers(measurements, appearance_of(view), left_out)


def _run(
    package: Package, header: Header, radiograph: Radiograph, measuring: Future[ImageNumbers], clock: StageClock,
) -> GraphRun:  # fmt: skip
    """Run the graph, unless it needs the measurements while they are still being taken."""
    measurements = measuring.result().measurements if package.contract.needs_measurements else ()
    material = ModelMaterial(radiograph, measurements, header=header)
    inputs = clock.time("preprocess", lambda: package.contract.prepare(package.card, material))
    return GraphRun(inputs, clock.time("infer", lambda: package.run(inputs.arrays)))


def _maps(
    package: Package, explainer: Explainer | None, run: GraphRun, findings: Sequence[Finding], clock: StageClock
) -> dict[FindingName, SaliencyMap]:
    """Where each present defect was seen; empty where no map can be made."""
    present = {f.name for f in findings if f.present}
    columns = {
        n: row.name for n, row in enumerate(package.card.outputs.classes) if not row.gate and row.name in present
    }
    own = run.outputs[MAPS][0] if MAPS in run.outputs else None
    if not columns or package.contract.map_tensors(package.card) is None:
        return {}
    if explainer is not None:
        maps = clock.time("explain", lambda: explainer.explain(run, own, tuple(columns)))
    elif own is not None:
        method = package.card.saliency.method
        maps = {n: SaliencyMap(normalised(run.to_source(own[n])), method) for n in columns}
    else:
        return {}
    return {FindingName(columns[n]): one for n, one in maps.items()}


def _without_overruled(
    issues: tuple[PlausibilityIssue, ...], gate: Mapping[GateClass, float], package: Package
) -> tuple[PlausibilityIssue, ...]:
    """Drop the inversion issue if the gate sees no inversion: the model is more reliable than fixed boxes."""
    thresholds = {row.name: row.threshold for row in package.card.outputs.classes}
    inverted = GateClass.INVERTED
    if inverted not in gate or gate[inverted] >= thresholds[inverted]:
        return issues
    return tuple(issue for issue in issues if issue.name != "inverted_look")
