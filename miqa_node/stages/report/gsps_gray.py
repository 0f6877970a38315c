"""Copies the source's grayscale transformations to a presentation state, which replaces them (PS3.3 C.11)."""

from __future__ import annotations

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.dicom.pixels.grayscale import (
    Lut,
    VoiWindow,
    as_signed,
    displays_modality,
    has_negative_output,
    read_grayscale,
)
from miqa_node.stages.report.inherit import in_little_endian
from miqa_node.stages.report.source import Source, text
from miqa_node.stages.report.text import decimal, phrase

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def add_grayscale(state: Dataset, source: Source) -> None:
    """Modality LUT, Softcopy VOI LUT and Softcopy Presentation LUT (PS3.3 C.11.1, C.11.8, C.11.6).

    Of several windows or tables it takes the first, with which the image was judged.
    """
    signed = source.header.get("PixelRepresentation") == 1
    if displays_modality(source.header):
        _add_modality(state, _group(source, "PixelValueTransformationSequence"), signed=signed)
    grayscale = read_grayscale(source.header)
    signed = has_negative_output(source.header, grayscale.modality)
    voi = _voi(_group(source, "FrameVOILUTSequence"), signed=signed, judged=grayscale.voi)
    if voi is not None:
        state.SoftcopyVOILUTSequence = Sequence([voi])
    header = source.header
    inverse = (
        header.get("PhotometricInterpretation") == "MONOCHROME1" or text(header, "PresentationLUTShape") == "INVERSE"
    )
    state.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"


def _group(source: Source, keyword: str) -> Dataset:
    """The data set with the elements: the first frame's functional groups, the shared ones, or the data set itself."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        items = source.header.get(groups)
        if items and items[0].get(keyword):
            group: Dataset = items[0][keyword].value[0]
            return group
    return source.header


def _add_modality(state: Dataset, group: Dataset, *, signed: bool) -> None:
    if tables := group.get("ModalityLUTSequence"):
        table = _table(tables[0], signed=signed)
        if table is not None:
            table.ModalityLUTType = phrase(text(tables[0], "ModalityLUTType"), 64) or "US"
            state.ModalityLUTSequence = Sequence([table])
            return
    slope, intercept = first_number(group, "RescaleSlope"), first_number(group, "RescaleIntercept")
    if slope or intercept is not None:  # as for the judgement: ignore a missing value and a slope of 0
        state.RescaleIntercept, state.RescaleSlope = decimal(intercept or 0.0), decimal(slope or 1.0)
        state.RescaleType = phrase(text(group, "RescaleType"), 64) or "US"


def _voi(group: Dataset, *, signed: bool, judged: Lut | VoiWindow | None) -> Dataset | None:
    if tables := group.get("VOILUTSequence"):
        table = _table(tables[0], signed=signed)
        if table is not None:
            if isinstance(judged, Lut):  # with the bits of its entries, where the source declares more
                entries, first, _ = table.LUTDescriptor
                table.add(DataElement("LUTDescriptor", table["LUTDescriptor"].VR, [entries, first, judged.bits]))
            item = Dataset()
            item.VOILUTSequence = Sequence([table])
            return item
    center, width = first_number(group, "WindowCenter"), first_number(group, "WindowWidth")
    function = text(group, "VOILUTFunction") or "LINEAR"
    if center is None or width is None or function not in _FUNCTIONS:
        return None
    if (width < 1.0 and function == "LINEAR") or width <= 0.0:
        return None  # PS3.3 C.11.2.1.2 forbids it
    item = Dataset()
    item.WindowCenter, item.WindowWidth = decimal(center), decimal(width)
    if function != "LINEAR":
        item.VOILUTFunction = function
    return item


def _table(lut: Dataset, *, signed: bool) -> Dataset | None:
    """The table without explanation, which is in the source's character set; ``signed``: its input may be negative."""
    if "LUTDescriptor" not in lut or not lut.get("LUTData"):
        return None
    table = Dataset()
    table.add(_descriptor(lut["LUTDescriptor"]) if signed else lut["LUTDescriptor"])
    table.add(in_little_endian(lut, lut["LUTData"]))
    return table


def _descriptor(element: DataElement) -> DataElement:
    """LUT Descriptor as signed shorts: a presentation state has no Pixel Representation to declare them."""
    entries, first, bits = (int(value) for value in element.value)
    return DataElement(element.tag, "SS", [as_signed(entries), as_signed(first), bits])
