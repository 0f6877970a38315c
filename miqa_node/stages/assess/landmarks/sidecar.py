"""Adds anatomical points, their measurements and positioning findings to the assessment of a frontal chest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.core.taxonomy.lookup import quality_score
from miqa_node.dicom.pixels.reduction import small_copy
from miqa_node.stages.assess.another_kind import NO_LUNGS, gate_probability, of_another_kind
from miqa_node.stages.assess.card import GRAPH_NAME, Task, checked_card, read_sections
from miqa_node.stages.assess.field import point_in_matrix
from miqa_node.stages.assess.goldens import differences_of_values
from miqa_node.stages.assess.landmarks.card import CLOSE_UP_GRAPH, MARKER_GRAPH, LandmarkCard
from miqa_node.stages.assess.landmarks.estimate import (
    CLOSE_UP_OUTPUTS,
    INPUT,
    LUNGS,
    WHOLE_OUTPUTS,
    LandmarkEstimate,
    LandmarkNetwork,
    Outputs,
    Run,
)
from miqa_node.stages.assess.landmarks.findings import field_of, findings_of, joined, measurements_of, visible_points
from miqa_node.stages.assess.landmarks.lung_field import lung_outlines
from miqa_node.stages.assess.landmarks.lungs_seen import shows_no_lungs
from miqa_node.stages.assess.landmarks.marker import LETTER_CHANCES, LETTERS, MarkerNetwork
from miqa_node.stages.assess.landmarks.marker_measures import marker_issues, marker_measurements
from miqa_node.stages.assess.landmarks.object_places import with_places
from miqa_node.stages.assess.landmarks.part_seen import is_another_part, with_part
from miqa_node.stages.assess.landmarks.picture import STORED_PX, stretched_copy
from miqa_node.stages.assess.landmarks.points import SIDES
from miqa_node.stages.assess.package_checks import checksum, opened_graph
from miqa_node.stages.assess.session import GraphSession, check_finite
from miqa_node.stages.assess.sidecar import ImageContext, SideTask
from miqa_node.stages.assess.signatures import check_folder

GOLDEN_CELLS = 8
"""Blocks of the lung field along each side of the image."""


@dataclass(frozen=True, slots=True)
class LandmarkSidecar:
    """See :class:`~miqa_node.stages.assess.sidecar.SidecarModel`."""

    card: LandmarkCard
    reader: LandmarkNetwork
    sha256: str
    provider: str = ""
    golden_differences: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self.card.label

    @property
    def identity(self) -> ModelIdentity:
        """The package as the maker of its points, findings and measurements."""
        return ModelIdentity(self.card.name, self.card.version, self.sha256)

    def _own(self, *measurements: Measurement) -> tuple[Measurement, ...]:
        return tuple(replace(one, made_by=self.identity) for one in measurements)

    def contribute(self, context: ImageContext) -> AssessorResult:
        """The judgement with points, measurements and findings.

        It is unchanged if the package does not apply, if the gate sees no usable chest, or if too little anatomy is
        visible. An image without lungs is of another kind, and nothing else that was seen in it is kept.
        """
        assessment, radiograph, header = context.judgement.assessment, context.radiograph, context.header
        gate = assessment.finding(FindingName.GATE)
        outside = gate is not None and gate.present
        if outside or radiograph.frames > 1 or self.card.applicability.excludes(header, radiograph.spacing_mm):
            return context.judgement
        small = radiograph.once(small_copy, STORED_PX)
        values = radiograph.once(stretched_copy, self.card.picture.stretch)
        glance = self.reader.glance(small, radiograph.valid, values)
        if assessment.model is not None and (lungs := glance.lungs) is not None:
            turned = partial(self.reader.turned_lungs, small, radiograph.valid)
            if shows_no_lungs(lungs, gate_probability(context.judgement), turned):
                return of_another_kind(context.judgement, GateClass.NOT_FRONTAL_CHEST, NO_LUNGS)
            gate_says = assessment.gate.get(GateClass.NOT_FRONTAL_CHEST, 1.0)
            assessment = with_part(assessment, lungs, header, self.identity, gate_says)
        judgement = replace(context.judgement, assessment=assessment)
        estimate = self.reader.closer(glance)
        points = visible_points(estimate, self.card.visible_from)
        if len(points) < self.card.least_points:
            return judgement
        image = estimate, radiograph.shape, radiograph.spacing_mm
        added = findings_of(*image, header.patient_orientation, self.card.findings)
        added = tuple(replace(one, made_by=(self.identity,)) for one in added)
        outlines = {} if estimate.lungs is None else lung_outlines(estimate.lungs)
        measured = self._own(*measurements_of(*image), *field_of(outlines))
        cut = {side: round(float(chance), 4) for side, chance in zip(SIDES, estimate.cut, strict=True)}
        landmarks = Landmarks(points, cut, self.name, self.sha256, outlines, estimate.markers)
        maps = context.judgement.maps.findings
        findings = joined(with_places(assessment.findings, maps, landmarks, header.patient_orientation), added)
        assessment = replace(
            assessment,
            findings=findings,
            measurements=(*assessment.measurements, *measured),
            score=None if assessment.score is None else quality_score(findings),
            landmarks=landmarks,
        )
        return replace(judgement, assessment=assessment)

    def looks_at(self, context: ImageContext) -> bool:
        """Whether the image is one that is looked at whatever it shows: a radiograph of any part, in one frame."""
        modalities = self.card.applicability.modality
        return context.radiograph.frames == 1 and (not modalities or context.header.modality in modalities)

    def with_any_part(self, context: ImageContext) -> AssessorResult:
        """The judgement with what is seen of any part: the part itself, and side markers."""
        judgement = self.with_part_seen(context)
        return self.with_markers(replace(context, judgement=judgement)) if self.card.marker is not None else judgement

    def with_part_seen(self, context: ImageContext) -> AssessorResult:
        """The judgement with the body part that the pixels show, of an image whose header names another one."""
        judgement, radiograph = context.judgement, context.radiograph
        if not is_another_part(context.header) or judgement.assessment.part_seen:
            return judgement
        lungs = self.reader.glance(radiograph.once(small_copy, STORED_PX), radiograph.valid).lungs
        if lungs is None:
            return judgement
        return replace(judgement, assessment=with_part(judgement.assessment, lungs, context.header, self.identity))

    def with_markers(self, context: ImageContext) -> AssessorResult:
        """The judgement with side markers as measurements; those of a frontal chest were read with its points."""
        assessment, radiograph = context.judgement.assessment, context.radiograph
        if assessment.landmarks is not None:
            markers = assessment.landmarks.markers
        else:
            markers = self.reader.markers(radiograph.once(small_copy, STORED_PX), radiograph.valid)
        places = [replace(one, x=x, y=y) for one in markers for x, y in [point_in_matrix(radiograph, (one.x, one.y))]]
        measurements = (*assessment.measurements, *self._own(*marker_measurements(places, context.header)))
        issues = (*assessment.plausibility, *marker_issues(markers, context.header))
        assessment = replace(assessment, measurements=measurements, plausibility=issues)
        return replace(context.judgement, assessment=assessment)


def open_landmarks(folder: Path, accelerator: Accelerator, settings: AssessSettings) -> LandmarkSidecar:
    """Load and check a package: checksums, embedded card, outputs of the graphs, goldens on the provider in use.

    Raises
    ------
    ModelPackageError
        A file is missing or altered, or results differ from the expected ones; the message gives the reason.
    """
    card = checked_card(LandmarkCard, read_sections(folder), folder.name)
    check_folder(folder, card, settings)
    runs: list[Run] = []
    sessions: list[GraphSession] = []
    parts = {GRAPH_NAME: WHOLE_OUTPUTS, CLOSE_UP_GRAPH: CLOSE_UP_OUTPUTS, MARKER_GRAPH: (LETTER_CHANCES,)}
    for graph, outputs in ((graph, parts[graph]) for graph in card.graphs):
        session = opened_graph(folder, graph, card, (INPUT, outputs), accelerator, settings)
        runs.append(runner(session, outputs))
        sessions.append(session)
    marker = MarkerNetwork(runs[2], card.marker.picture) if card.marker else None
    reader = LandmarkNetwork(runs[0], runs[1], card.picture, card.close_up, marker)
    differences = differences_of_values(folder, card, sessions, lambda image: golden_values(reader(image)))
    return LandmarkSidecar(card, reader, checksum(folder, card.graphs), sessions[-1].provider, differences)


def runner(session: GraphSession, outputs: Sequence[str]) -> Run:
    """One graph as :class:`LandmarkNetwork` calls it, with its lung field if it has one."""
    names = (*outputs, *({LUNGS} & set(session.outputs)))

    def run(image: NDArray[np.float32]) -> Outputs:
        values = session.run(names, {INPUT: image})
        check_finite(session.name, *values.values())
        return {name: np.asarray(value[0], np.float64) for name, value in values.items()}

    return run


def golden_values(estimate: LandmarkEstimate) -> list[float]:
    """The values that goldens compare: points, probabilities, margins and rotation, in a fixed order.

    Then the lung field, if the package finds one, as means of blocks of its cells, and the highest probability of each
    letter, if letters were read.
    """
    rotation = np.array([estimate.rotation])
    parts = [estimate.points, estimate.visible, estimate.cut, estimate.margin, rotation, estimate.grade]
    if estimate.lungs is not None:
        blocks = (
            cv2.resize(lung, (GOLDEN_CELLS, GOLDEN_CELLS), interpolation=cv2.INTER_AREA) for lung in estimate.lungs
        )
        parts.extend(blocks)
    if estimate.markers:
        best = {letter: [m.probability for m in estimate.markers if m.letter == letter] for letter in LETTERS}
        parts.append(np.array([max(chances, default=0.0) for chances in best.values()]))
    return [round(float(v), 5) for part in parts for v in np.ravel(part)]


SIDE_TASK = SideTask(
    Task.LANDMARKS,
    LandmarkCard,
    open_landmarks,
    everywhere="landmarks",
    choice=lambda settings: settings.landmarks_package,
)
