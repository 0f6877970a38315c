"""The measurement group of a region that a measurement marks in a series: PS3.16 TID 1411, by highdicom."""

from __future__ import annotations

from collections.abc import Sequence as Many

import highdicom.sr as hd
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.delivery import SR
from miqa_node.core.words import codes
from miqa_node.core.words.subject import SegmentSubject
from miqa_node.stages.report.content_items import ContentItem, Relationship, reference_item, region_item, text_item
from miqa_node.stages.report.mask import outline_of
from miqa_node.stages.report.outputs.base import SliceMask
from miqa_node.stages.report.series.volume import Extent, extent_of
from miqa_node.stages.report.sr_groups import MAX_COMMENT_CHARACTERS
from miqa_node.stages.report.text import phrase
from miqa_node.stages.report.uids import Lineage

MAX_OUTLINED_SLICES = 100
"""Maximum number of slices whose outlines are in the report, the largest first; the segmentation has all."""
_VOLUME = Code("118565006", "SCT", "Volume")


def marked_group(subject: SegmentSubject, masks: Many[SliceMask], lineage: Lineage) -> ContentItem:
    """The region by its outlines on slices, and how large it is, if that is known.

    Its tracking identifier is that of its segment, to which it does not refer: beside the one region of the image,
    PixelMed's validator would take such a group for one of TID 1410.
    """
    extent, measurements = extent_of(masks), []
    if extent is not None:
        volume = float(f"{extent.volume_cm3:.6g}")
        measurements.append(hd.Measurement(_coded(_VOLUME), volume, _coded(codes.unit_code("cm3"))))
    group = hd.VolumetricROIMeasurementsAndQualitativeEvaluations(
        hd.TrackingIdentifier(lineage.uid(SR, "tracking", subject.name), subject.name),
        referenced_regions=[_region(one) for one in _outlined(masks)],
        finding_category=_coded(codes.IMAGE_QUALITY),
        finding_type=_coded(subject.kind),
        algorithm_id=hd.AlgorithmIdentification(subject.algorithm.name, subject.algorithm.version),
        measurements=measurements,
    )
    [item] = map(_item, group)
    item.children.append(text_item(codes.COMMENT, phrase(_sentence(subject, extent), MAX_COMMENT_CHARACTERS)))
    return item


def _outlined(masks: Many[SliceMask]) -> list[SliceMask]:
    """Those with the largest marks, in the order of slices."""
    largest = sorted(masks, key=lambda one: -int(one.mask.mask.sum()))[:MAX_OUTLINED_SLICES]
    return sorted(largest, key=lambda one: one.mask.index)


def _region(one: SliceMask) -> hd.ImageRegion:
    source = one.source
    frames = [one.frame] if source.number_of_frames > 1 else None
    image = hd.SourceImageForRegion(source.sop_class_uid, source.sop_instance_uid, frames)
    return hd.ImageRegion(hd.GraphicTypeValues.POLYLINE, outline_of(one.mask.mask), image)


def _sentence(subject: SegmentSubject, extent: Extent | None) -> str:
    if extent is None:
        return f"{subject.words}."
    parts = "one part" if extent.parts == 1 else f"{extent.parts} parts"
    return f"{subject.words}: {extent.volume_cm3:.3g} cm3 in {parts}."


def _coded(code: Code) -> hd.CodedConcept:
    return hd.CodedConcept(code.value, code.scheme, code.meaning)


def _item(made: Dataset) -> ContentItem:
    """An item of highdicom's as one that the node's encoder writes, with the text of the whole report."""
    item = ContentItem(made.ValueType, _code(made.ConceptNameCodeSequence), Relationship(made.RelationshipType))
    item.children = [_item(child) for child in made.get("ContentSequence", ())]
    item.text = str(made.get("TextValue", made.get("UID", "")))
    if "ConceptCodeSequence" in made:
        item.code = _code(made.ConceptCodeSequence)
    if "MeasuredValueSequence" in made:
        [value] = made.MeasuredValueSequence
        item.number = (float(value.FloatingPointValue), _code(value.MeasurementUnitsCodeSequence))
    if "ContentTemplateSequence" in made:
        item.template = made.ContentTemplateSequence[0].TemplateIdentifier
    if "ReferencedSOPSequence" in made:
        [image] = made.ReferencedSOPSequence
        frames = [int(image.ReferencedFrameNumber)] if "ReferencedFrameNumber" in image else None
        uids = (image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID)
        return reference_item(item.value_type, item.name, *uids, item.relationship, frames)
    if "GraphicData" in made:
        return region_item(
            _code(made.ConceptNameCodeSequence), made.GraphicType, made.GraphicData, item.relationship, *item.children
        )
    return item


def _code(sequence: Sequence) -> Code:
    [code] = sequence
    return Code(str(code.CodeValue), str(code.CodingSchemeDesignator), str(code.CodeMeaning))
