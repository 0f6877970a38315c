"""Judges what can be taken off, and devices, in place of the quality package, on a frontal chest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import ObjectJudge
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.core.taxonomy.lookup import quality_score
from miqa_node.stages.assess.card import GRAPH_NAME, Task, checked_card, read_sections
from miqa_node.stages.assess.goldens import differences_of_values
from miqa_node.stages.assess.landmarks.object_places import with_places
from miqa_node.stages.assess.landmarks.picture import stretched_copy
from miqa_node.stages.assess.maps import with_peaks
from miqa_node.stages.assess.objects.card import INPUT, LOGITS, MAPS, ObjectCard
from miqa_node.stages.assess.objects.network import ObjectEvidence, ObjectNetwork, Run, smoothed
from miqa_node.stages.assess.package_checks import checksum, opened_graph
from miqa_node.stages.assess.session import GraphSession, check_finite
from miqa_node.stages.assess.sidecar import ImageContext, SideTask
from miqa_node.stages.assess.signatures import check_folder
from miqa_node.stages.explain.methods import normalised

GOLDEN_CELLS = 8


@dataclass(frozen=True, slots=True)
class ObjectSidecar:
    """See :class:`~miqa_node.stages.assess.sidecar.SidecarModel`."""

    card: ObjectCard
    network: ObjectNetwork
    sha256: str
    provider: str = ""
    golden_differences: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self.card.label

    def contribute(self, context: ImageContext) -> AssessorResult:
        """The judgement with this package's findings and maps instead of the quality package's of the same names.

        It is unchanged if the package does not apply, or if the gate sees no frontal chest.
        """
        assessment, radiograph = context.judgement.assessment, context.radiograph
        gate = assessment.finding(FindingName.GATE)
        outside = assessment.not_assessed or (gate is not None and gate.present) or radiograph.frames > 1
        if outside or self.card.applicability.excludes(context.header, radiograph.spacing_mm):
            return context.judgement
        evidence = self.network.evidence(radiograph.once(stretched_copy, self.card.picture.stretch))
        maps = {
            one.finding.name: SaliencyMap(normalised(smoothed(one.map)), self.card.saliency.method)
            for one in evidence if one.finding.present
        }  # fmt: skip
        identity = (ModelIdentity(self.card.name, self.card.version, self.sha256),)
        own = with_peaks([replace(one.finding, made_by=identity) for one in evidence], maps)
        if assessment.landmarks is not None:
            own = with_places(own, maps, assessment.landmarks, context.header.patient_orientation)
        findings = in_place(assessment.findings, own)
        judged = {one.finding.name for one in evidence}
        others = {name: one for name, one in context.judgement.maps.findings.items() if name not in judged}
        assessment = replace(
            assessment, findings=findings, score=quality_score(findings), objects=ObjectJudge(self.name, self.sha256)
        )
        return replace(
            context.judgement, assessment=assessment,
            maps=replace(context.judgement.maps, findings={**others, **maps}),
        )  # fmt: skip


def in_place(findings: tuple[Finding, ...], judged: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with those that were judged anew at their old places, and the rest of the new ones after them."""
    new = {finding.name: finding for finding in judged}
    rows = [new.pop(finding.name, finding) for finding in findings]
    return (*rows, *new.values())


def open_objects(folder: Path, accelerator: Accelerator, settings: AssessSettings) -> ObjectSidecar:
    """Load and check a package: checksums, embedded card, outputs of the graph, goldens on the provider in use.

    Raises
    ------
    ModelPackageError
        A file is missing or altered, or results differ from the expected ones; the message gives the reason.
    """
    card = checked_card(ObjectCard, read_sections(folder), folder.name)
    check_folder(folder, card, settings)
    session = opened_graph(folder, GRAPH_NAME, card, (INPUT, (MAPS, LOGITS)), accelerator, settings)
    network = ObjectNetwork(runner(session), card)
    differences = differences_of_values(folder, card, [session], lambda image: golden_values(network(image)))
    return ObjectSidecar(card, network, checksum(folder, card.graphs), session.provider, differences)


def runner(session: GraphSession) -> Run:
    """The graph as :class:`ObjectNetwork` calls it."""

    def run(image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        values = session.run((MAPS, LOGITS), {INPUT: image})
        check_finite(session.name, *values.values())
        return values

    return run


def golden_values(evidence: list[ObjectEvidence]) -> list[float]:
    """The values that goldens compare: each finding's probability, and its map as means of blocks of its cells."""
    parts: list[float] = []
    for one in evidence:
        blocks = cv2.resize(one.map, (GOLDEN_CELLS, GOLDEN_CELLS), interpolation=cv2.INTER_AREA)
        parts.extend((one.finding.probability, *np.ravel(blocks).tolist()))
    return [round(float(value), 5) for value in parts]


SIDE_TASK = SideTask(
    Task.OBJECTS, ObjectCard, open_objects, everywhere="objects", choice=lambda settings: settings.objects_package
)
