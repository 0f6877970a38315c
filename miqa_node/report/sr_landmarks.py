"""Fills the report's measurement groups with anatomical points: one region per point (TID 1410)."""

from __future__ import annotations

import numpy as np

from miqa_node.domain.codes import Code
from miqa_node.domain.landmarks import Landmarks, landmark_kind, landmark_words, patient_side
from miqa_node.report import codes
from miqa_node.report.content_items import ContentItem, Relationship
from miqa_node.report.source import Source
from miqa_node.report.sr_groups import tracking
from miqa_node.report.sr_templates import REGION_GROUP, algorithm, finding_site, measurement_group, place
from miqa_node.report.text import phrase
from miqa_node.report.uids import Lineage

SITES = {
    "apex": Code("86598002", "SCT", "Apex of Lung"),
    "cpa": Code("39607008", "SCT", "Lung"),
    "dome": Code("5798000", "SCT", "Diaphragm"),
    "clav": Code("51299004", "SCT", "Clavicle"),
    "lat": Code("113197003", "SCT", "Rib"),
    "spine_clav": Code("421060004", "SCT", "Spine"),
    "spine_low": Code("421060004", "SCT", "Spine"),
}
LATERALITY = {"left": Code("7771000", "SCT", "Left"), "right": Code("24028007", "SCT", "Right")}


def landmark_groups(source: Source, landmarks: Landmarks, lineage: Lineage) -> list[ContentItem]:
    """One group per visible point; sides are the patient's, coordinates are in the stored image."""
    if not source.has_pixels:
        return []
    return [_group(source, landmarks, name, lineage) for name in landmarks.points]


def _group(source: Source, landmarks: Landmarks, name: str, lineage: Lineage) -> ContentItem:
    kind, side = landmark_kind(name)
    x, y = landmarks.points[name]
    laterality = LATERALITY.get(patient_side(side, source.patient_orientation))
    package, _, version = landmarks.package.rpartition("-")
    words = landmark_words(name, source.patient_orientation)
    sha256 = [f"model sha256 {landmarks.sha256}"] if landmarks.sha256 else []
    # SCOORD of a point: 0.0 at the upper left corner of the first pixel (PS3.3 C.18.6.1.2).
    point = np.array([[x * source.columns, y * source.rows]])
    return measurement_group(
        REGION_GROUP,
        tracking(f"landmark:{name}", words, lineage),
        codes.LANDMARKS[kind].code,
        algorithm(phrase(package or landmarks.package), phrase(version or "unknown"), sha256),
        sites=[finding_site(SITES[kind], laterality)],
        places=[place(codes.IMAGE_REGION, "POINT", point, source, source.frame_numbers, Relationship.CONTAINS)],
    )
