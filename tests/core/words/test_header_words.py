"""What of a stored header an erasure leaves."""

from __future__ import annotations

from dataclasses import fields

from miqa_node.core.domain.instance import Header
from miqa_node.core.taxonomy.header_words import STAYING, WORDS, texts_of, without_texts
from miqa_node.runtime.store.documents import dump_header, load_header
from tests.runtime.store.making import header


def test_words_of_lists_numbers_uids_and_machines_stay_and_all_other_text_goes() -> None:
    stored = dump_header(
        header(
            1, image_type=("ORIGINAL", "MRS X"), patient_orientation=("A", "F"), image_laterality="L", rows=5,
            protocol_name="Mrs X", series_description="her hip", convolution_kernel="B30", performed_location="bed 4",
            view_modifier="her own", irradiation_event_uids=("1.2.3", "Mrs X"), burned_in_annotation="YES",
        )
    )  # fmt: skip
    emptied = without_texts(stored)
    assert emptied.keys() == stored.keys()
    assert {name: emptied[name] for name in stored if emptied[name] != stored[name]} == {
        "image_type": ["ORIGINAL", ""], "protocol_name": "", "series_description": "", "convolution_kernel": "",
        "performed_location": "", "view_modifier": "", "irradiation_event_uids": ["1.2.3", ""],
    }  # fmt: skip
    assert texts_of(stored) == {"MRS X", "Mrs X", "her hip", "B30", "bed 4", "her own"}
    assert load_header(emptied).body_part_examined == "CHEST", "it is still a header"
    assert without_texts(emptied) == emptied


def test_raw_words_of_part_and_view_go_and_terms_stay() -> None:
    stored = dump_header(header(1, body_part_examined="MRS X", view_position="HER SIDE", modality="ZZ"))
    assert texts_of(stored) == {"MRS X", "HER SIDE", "ZZ"}
    assert texts_of(dump_header(header(1, body_part_examined="CHEST HIP", view_position="PA"))) == set()


def test_each_field_that_is_named_is_one_of_a_header() -> None:
    assert STAYING | WORDS.keys() <= {field.name for field in fields(Header)}
