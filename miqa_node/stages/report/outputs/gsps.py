"""Makes the Grayscale Softcopy Presentation State: outlines and text over the source, not burned in (PS3.3 A.33)."""

from __future__ import annotations

from collections.abc import Sequence as Many

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.words.object_words import object_title
from miqa_node.dicom.bytes.numbers import numbers
from miqa_node.stages.report.gsps_gray import add_grayscale
from miqa_node.stages.report.gsps_shutter import add_shutter
from miqa_node.stages.report.instance import laterality, reference
from miqa_node.stages.report.mask import MarkedRegion
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.seg import cielab
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.text import phrase

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.11.1"
VERDICT_LAYER = "VERDICT"
VERDICT_COLOUR = (97.0, -21.0, 94.0)
MAX_TEXT_CHARACTERS, MOST_INTEGER = 1024, 2**31
"""Limits of the Value Representations ST and IS (PS3.5 6.2)."""
NOTICE = "Decision support only"


def can_have_gsps(source: Source) -> bool:
    """Whether a grayscale presentation state may refer to the image: colour images use other outputs."""
    return source.has_pixels and source.header.get("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")


def make_gsps(context: OutputContext) -> Draft | None:
    """The presentation state; if there are pixels, a shutter follows their border."""
    source = context.source
    if not can_have_gsps(source):
        return None
    stored = None if context.radiograph is None else context.radiograph.stored
    state = context.begin(OUTPUT)
    state.Laterality = laterality(source)
    state.ContentLabel = "IMAGE_QUALITY"
    state.ContentDescription = "Quality findings"
    state.ContentCreatorName = None
    state.PresentationCreationDate, state.PresentationCreationTime = state.ContentDate, state.ContentTime
    del state.ContentDate, state.ContentTime  # the module has its own date (PS3.3 C.11.10)
    _add_relationship(state, source)
    add_shutter(state, source, context.assessment, stored)
    _add_displayed_area(state, source)
    _add_graphics(state, source, context.disposition, context.regions)
    add_grayscale(state, source)
    return Draft(state)


def _add_relationship(state: Dataset, source: Source) -> None:
    """Presentation State Relationship (PS3.3 C.11.11)."""
    series = Dataset()
    series.SeriesInstanceUID = source.series_instance_uid
    series.ReferencedImageSequence = Sequence([_image(source)])
    state.ReferencedSeriesSequence = Sequence([series])


def _image(source: Source) -> Dataset:
    return reference(source.sop_class_uid, source.sop_instance_uid, source.frame_numbers)


def _add_displayed_area(state: Dataset, source: Source) -> None:
    """Displayed Area (PS3.3 C.10.4): the whole image, fitted to the screen."""
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [source.columns, source.rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    aspect = numbers(source.header, "PixelAspectRatio", 2)
    if source.spacing_mm:
        area.PresentationPixelSpacing = [f"{value:.10g}"[:16] for value in source.spacing_mm]
    else:
        usable = aspect is not None and min(aspect) >= 1 and max(aspect) < MOST_INTEGER
        area.PresentationPixelAspectRatio = [int(value) for value in aspect or ()] if usable else [1, 1]
    state.DisplayedAreaSelectionSequence = Sequence([area])


def _add_graphics(state: Dataset, source: Source, disposition: Disposition, regions: Many[MarkedRegion]) -> None:
    """Graphic Annotation and Graphic Layer (PS3.3 C.10.5, C.10.7): one layer for the verdict, one per finding."""
    layers = [_layer(VERDICT_LAYER, 1, "Verdict and reasons", VERDICT_COLOUR)]
    annotations = [_annotation(VERDICT_LAYER, source, [_verdict_text(disposition)], [])]
    for region in regions:
        name = f"FINDING_{region.segment_number}"
        subject = region.subject
        layers.append(_layer(name, len(layers) + 1, region.titles[0], subject.colour))
        texts = [_finding_text(label, outline, source) for label, outline in _labels(region)]
        annotations.append(_annotation(name, source, texts, [_polyline(one) for one in region.outlines]))
    state.GraphicAnnotationSequence = Sequence(annotations)
    state.GraphicLayerSequence = Sequence(layers)


def _labels(region: MarkedRegion) -> list[tuple[str, NDArray[np.float64]]]:
    """What is written at the first outline, or at that of each region of an object."""
    certainty = region.subject.certainty
    percent = "" if certainty is None else f" {certainty:.0%}"
    if not region.over:
        return [(f"{region.subject.words}{percent}", region.outlines[0])]
    largest = dict(zip(reversed(region.over), reversed(region.outlines), strict=True))
    return [(f"{object_title(part)}{percent}", outline) for part, outline in reversed(largest.items())]


def _layer(name: str, order: int, description: str, colour: tuple[float, float, float]) -> Dataset:
    layer = Dataset()
    layer.GraphicLayer = name
    layer.GraphicLayerOrder = order
    layer.GraphicLayerRecommendedDisplayGrayscaleValue = 0xFFFF
    layer.GraphicLayerRecommendedDisplayCIELabValue = cielab(colour)
    layer.GraphicLayerDescription = phrase(description, 64)
    return layer


def _annotation(layer: str, source: Source, texts: list[Dataset], polylines: list[Dataset]) -> Dataset:
    item = Dataset()
    item.ReferencedImageSequence = Sequence([_image(source)])
    item.GraphicLayer = layer
    item.TextObjectSequence = Sequence(texts)
    if polylines:
        item.GraphicObjectSequence = Sequence(polylines)
    return item


def _verdict_text(disposition: Disposition) -> Dataset:
    """At the bottom of the display, where there is little anatomy; PS3.3 C.10.5.1.1 allows several lines per text."""
    lines = [f"{disposition.verdict}", *(phrase(reason.text, 120) for reason in disposition.reasons[:5]), NOTICE]
    text = Dataset()
    text.UnformattedTextValue = "\r\n".join(lines)[:MAX_TEXT_CHARACTERS]
    text.BoundingBoxAnnotationUnits = "DISPLAY"
    text.BoundingBoxTopLeftHandCorner = [0.02, max(0.5, 0.98 - 0.03 * len(lines))]
    text.BoundingBoxBottomRightHandCorner = [0.98, 0.98]
    text.BoundingBoxTextHorizontalJustification = "LEFT"
    return text


def _finding_text(label: str, outline: NDArray[np.float64], source: Source) -> Dataset:
    """Below the outline, anchored at its lowest point."""
    column, row = outline[0]
    text = Dataset()
    text.UnformattedTextValue = phrase(label, MAX_TEXT_CHARACTERS)
    text.AnchorPointAnnotationUnits = "PIXEL"
    text.AnchorPoint = [float(column), float(min(row + 0.01 * source.rows, source.rows))]
    text.AnchorPointVisibility = "N"
    return text


def _polyline(outline: NDArray[np.float64]) -> Dataset:
    graphic = Dataset()
    graphic.GraphicAnnotationUnits = "PIXEL"
    graphic.GraphicDimensions = 2
    graphic.NumberOfGraphicPoints = len(outline)
    graphic.GraphicData = [float(value) for value in outline.ravel()]
    graphic.GraphicType = "POLYLINE"
    graphic.GraphicFilled = "N"
    return graphic


OUTPUT = Output(
    kind=ResultKind("GSPS"),
    modality="PR",
    series_number=9904,
    description="Quality findings, outlines",
    sop_class_uid=SOP_CLASS_UID,
    make=make_gsps,
    order=50,
    of_series=False,
)
