"""Fills the report's measurement groups with anatomical points: one region per point (TID 1410)."""

from __future__ import annotations

import numpy as np

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.landmarks import Landmarks, landmark_kind, landmark_words, patient_side, side_words
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import of_label
from miqa_node.core.words.subject import lung_name
from miqa_node.stages.report.content_items import ContentItem, Relationship
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.sr_groups import tracking
from miqa_node.stages.report.sr_templates import REGION_GROUP, finding_site, made_by, measurement_group, place
from miqa_node.stages.report.uids import Lineage

SITES = {
    "apex": codes.LUNG_APEX,
    "cpa": codes.LUNG,
    "dome": Code("5798000", "SCT", "Diaphragm"),
    "clav": Code("51299004", "SCT", "Clavicle"),
    "lat": Code("113197003", "SCT", "Rib"),
}

SPINE = ("spine_clav", "spine_low")


def landmark_groups(
    source: Source, landmarks: Landmarks, lineage: Lineage, *, is_full: bool = True
) -> list[ContentItem]:
    """One group per visible point and per lung; sides are the patient's, coordinates are in the stored image.

    The slim report has the points of the spine: the line by which a region is on one side.
    """
    if not source.has_pixels:
        return []
    found_by = made_by(of_label(landmarks.package, landmarks.sha256))
    return [
        *(
            _point(source, landmarks, name, lineage, found_by)
            for name in landmarks.points
            if is_full or landmark_kind(name)[0] in SPINE
        ),
        *(_lung(source, landmarks, side, lineage, found_by) for side in landmarks.lungs if is_full),
    ]


def _lung(
    source: Source, landmarks: Landmarks, image_side: str, lineage: Lineage, found_by: list[ContentItem]
) -> ContentItem:
    """The outline, closed by its first corner (PS3.3 C.18.6.1.2)."""
    side = patient_side(image_side, source.patient_orientation)
    corners = np.array(landmarks.lungs[image_side]) * (source.columns, source.rows)
    return measurement_group(
        REGION_GROUP,
        tracking(
            lung_name(image_side, source.patient_orientation),
            f"Lung, {side_words(image_side, source.patient_orientation)}",
            lineage,
        ),
        codes.LUNG,
        found_by,
        sites=[finding_site(codes.LUNG, codes.LATERALITY.get(side))],
        places=[
            place(
                codes.IMAGE_REGION, "POLYLINE", np.vstack([corners, corners[:1]]), source, source.frame_numbers,
                Relationship.CONTAINS,
            )
        ],
    )  # fmt: skip


def _point(
    source: Source, landmarks: Landmarks, name: str, lineage: Lineage, found_by: list[ContentItem]
) -> ContentItem:
    kind, side = landmark_kind(name)
    x, y = landmarks.points[name]
    laterality = codes.LATERALITY.get(patient_side(side, source.patient_orientation))
    words = landmark_words(name, source.patient_orientation)
    # SCOORD of a point: 0.0 at the upper left corner of the first pixel (PS3.3 C.18.6.1.2).
    point = np.array([[x * source.columns, y * source.rows]])
    return measurement_group(
        REGION_GROUP,
        tracking(f"landmark:{name}", words, lineage),
        codes.LANDMARKS[kind].code,
        found_by,
        sites=[finding_site(SITES[kind], laterality)] if kind in SITES else (),
        places=[place(codes.IMAGE_REGION, "POINT", point, source, source.frame_numbers, Relationship.CONTAINS)],
    )
