"""Content items that write themselves: the same bytes as those of highdicom's items, which pydicom writes."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.codes import Code
from miqa_node.stages.report.content_items import (
    ContentItem,
    Relationship,
    code_item,
    container,
    encode_items,
    number_item,
    reference_item,
    spell_items,
    text_item,
    texts_of,
    uid_item,
)
from miqa_node.stages.report.elements import element_bytes, encode_elements
from miqa_node.stages.report.encoded import EncodedElement, elements_in, items_in
from miqa_node.stages.report.source import read_source
from miqa_node.stages.report.sr_templates import place
from tests.stages.report import making

hd = pytest.importorskip("highdicom.sr")

NAME, VALUE = Code("121071", "DCM", "Finding"), Code("a-value-of-more-than-16", "99MIQA", "Something long")
UNIT = Code("mm", "UCUM", "millimeter")
CLASS, INSTANCE = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
CONTENT = 0x0040A730


def coded(code: Code) -> Dataset:
    concept: Dataset = hd.CodedConcept(code.value, code.scheme, code.meaning)
    return concept


def written(items: list[ContentItem], *sets: str) -> bytes:
    return encode_items(items, sets or ("ascii",))


def by_highdicom(item: Dataset, *sets: str) -> bytes:
    holder = Dataset()
    holder.ContentSequence = Sequence([item])
    return encode_elements({element.tag: element for element in holder}, sets or ("ascii",))[12:]


def read(sequence: bytes) -> dict[int, EncodedElement]:
    """The elements of a sequence's only item."""
    [item] = items_in(sequence)
    return {element.tag: element for element in elements_in(item)}


def test_a_code_in_a_container() -> None:
    theirs = hd.ContainerContentItem(coded(NAME), template_id="1501", relationship_type="CONTAINS")
    inner = hd.CodeContentItem(coded(NAME), coded(VALUE), "HAS CONCEPT MOD")
    theirs.ContentSequence = hd.ContentSequence([inner])
    ours = container(NAME, [code_item(NAME, VALUE, Relationship.HAS_CONCEPT_MOD)], template="1501")
    assert written([ours]) == by_highdicom(theirs)


@pytest.mark.parametrize("number", [0.1, 100.0, 1 / 3, -2.5e-9, 12345678.9])
def test_a_number(number: float) -> None:
    """With a floating point value, which is of type 1C, where the text is not the same number."""
    theirs = hd.NumContentItem(coded(NAME), number, coded(UNIT), relationship_type="CONTAINS")
    value = theirs.MeasuredValueSequence[0]
    if float(str(value.NumericValue)) == number:
        del value.FloatingPointValue
    assert written([number_item(NAME, number, UNIT)]) == by_highdicom(theirs)


def test_a_whole_number_has_no_floating_point_value() -> None:
    theirs = hd.NumContentItem(coded(NAME), 2048, coded(UNIT), relationship_type="CONTAINS")
    assert written([number_item(NAME, 2048, UNIT)]) == by_highdicom(theirs)


@pytest.mark.parametrize(
    ("text", "sets"),
    [("plain", "ascii"), ("odd", "ISO_IR 100"), ("Größe", "ISO_IR 100"), ("患者が動いた", "ISO_IR 192")],
)
def test_a_text_in_the_character_set_of_the_source(text: str, sets: str) -> None:
    theirs = hd.TextContentItem(coded(NAME), text, "CONTAINS")
    assert written([text_item(NAME, text)], sets) == by_highdicom(theirs, sets)


def test_a_uid_and_a_name() -> None:
    uid = hd.UIDRefContentItem(coded(NAME), INSTANCE, "HAS OBS CONTEXT")
    assert written([uid_item(NAME, INSTANCE, Relationship.HAS_OBS_CONTEXT)]) == by_highdicom(uid)
    person = ContentItem("PNAME", NAME, Relationship.HAS_OBS_CONTEXT, text="Müller^")
    theirs = hd.PnameContentItem(coded(NAME), "Müller^", "HAS OBS CONTEXT")
    assert written([person], "ISO_IR 100") == by_highdicom(theirs, "ISO_IR 100")


def test_a_place_on_a_frame() -> None:
    points = np.array([[1.5, 2.0], [3.25, 4.0]])
    source = read_source(making.CHEST)
    image = hd.SourceImageForRegion(source.sop_class_uid, source.sop_instance_uid, [3])
    theirs = hd.CoordinatesForMeasurement(hd.GraphicTypeValues.POLYLINE, points, image, coded(NAME))
    ours = place(NAME, "POLYLINE", points, source, [3], Relationship.INFERRED_FROM)
    assert written([ours]) == by_highdicom(theirs)


def test_an_outline_beyond_64_kilobytes_has_a_long_length() -> None:
    source = read_source(making.CHEST)
    ours = place(NAME, "POLYLINE", np.zeros((9000, 2)), source, None, Relationship.CONTAINS)
    graphic = read(written([ours]))[0x00700022]
    assert (graphic.vr, len(graphic.value)) == ("UN", 72000)


def test_every_text_counts_for_the_character_set_and_can_be_spelled() -> None:
    group = container(NAME, [number_item(NAME, 1.0, Code("µm", "UCUM", "Mikrometer")), text_item(NAME, "Größe")])
    assert {"µm", "Größe", "Finding"} <= set(texts_of([group]))
    spell_items([group])
    assert all(text.isascii() for text in texts_of([group]))


def test_the_elements_of_a_sequence_are_found_at_every_depth() -> None:
    image = reference_item("IMAGE", None, CLASS, INSTANCE, Relationship.CONTAINS, [1, 2])
    child = read(read(written([container(NAME, [image])]))[CONTENT].value)
    reference = read(child[0x00081199].value)
    assert (reference[0x00081155].value, reference[0x00081160].value) == (b"1.2.3\0", b"1\\2 ")


def test_a_sequence_that_is_cut_is_no_sequence() -> None:
    value = written([text_item(NAME, "text")])
    for end in range(1, len(value)):
        with pytest.raises(ValueError, match="a sequence"):
            items_in(value[:end])


def test_an_item_that_is_cut_is_no_item() -> None:
    [item] = items_in(written([text_item(NAME, "text")]))
    whole = {sum(len(element_bytes(*one)) for one in elements_in(item)[:count]) for count in range(9)}
    for end in set(range(1, len(item))) - whole:
        with pytest.raises(ValueError, match="an element"):
            elements_in(item[:end])


def test_only_pixels_have_an_undefined_length() -> None:
    undefined, end = b"\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0\0\0\0\0"
    assert elements_in(b"\xe0\x7f\x10\0OB\0\0" + undefined + b"fragments" + end)[0].value == b"fragments"
    for element in (b"\xe0\x7f\x10\0OB\0\0" + undefined + b"fragments", b"\x40\0\x30\xa7SQ\0\0" + undefined + end):
        with pytest.raises(ValueError, match="longer than what it is in"):
            elements_in(element)
    with pytest.raises(ValueError, match="whole items"):
        items_in(b"\xfe\xff\0\xe0" + undefined + end)
