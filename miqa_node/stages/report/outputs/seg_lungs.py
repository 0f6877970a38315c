"""Makes the Segmentation of the lung fields of a frontal chest radiograph, one segment for each lung."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.landmarks import Outline
from miqa_node.core.words.subject import of_lung
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.seg import SOP_CLASS_UID, SegmentPlane, add_bits, describe_segment, fill_seg

ORIGIN = "outlined by a network"
SUBPIXEL_BITS = 4
"""Binary digits of a pixel in the corners of an outline."""


def make_lung_seg(context: OutputContext) -> Draft | None:
    """The lungs that the landmark package outlined; nothing for an image without pixels or without a lung field."""
    source, landmarks = context.source, context.assessment.landmarks
    if landmarks is None or not landmarks.lungs or not source.has_pixels:
        return None
    subjects = [of_lung(side, landmarks, source.patient_orientation) for side in landmarks.lungs]
    planes = [
        SegmentPlane(number, source, _filled(outline, source.shape))
        for number, outline in enumerate(landmarks.lungs.values(), 1)
    ]
    segments = [
        describe_segment(number, subject, ORIGIN, context.lineage) for number, subject in enumerate(subjects, 1)
    ]
    seg = context.begin(OUTPUT)
    fill_seg(seg, segments, planes, context.lineage.uid(OUTPUT.kind, "dimension"), context.settings)
    seg.ContentLabel, seg.ContentDescription = "LUNG_FIELDS", "Visible lung of each side"
    seg.SegmentationType = "BINARY"
    add_bits(seg, planes)
    return Draft(seg)


def _filled(outline: Outline, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels whose centres lie inside the outline."""
    rows, columns = shape
    corners = (np.array(outline) * (columns, rows) - 0.5) * (1 << SUBPIXEL_BITS)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1, cv2.LINE_8, SUBPIXEL_BITS)
    return mask.astype(np.bool_)


OUTPUT = Output(
    kind=ResultKind("SEG_LUNGS"),
    modality="SEG",
    series_number=9913,
    description="Lung fields",
    sop_class_uid=SOP_CLASS_UID,
    make=make_lung_seg,
    order=45,
    of_series=False,
    only_flagged=False,
)
