"""Sentences lose what they cite of a header, and stay what they are otherwise."""

from __future__ import annotations

from dataclasses import replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.retention.rows.header_texts import HeaderTexts
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from tests.runtime.store.making import NOW, digest, header

TEXTS = HeaderTexts(frozenset({"MRS X", "noise"}), frozenset({"MRS X"}))
SENTENCE = "Limits for {part} have not been tried; {reason}"


def test_a_phrase_loses_the_value_and_can_still_be_translated() -> None:
    text = Phrase(SENTENCE, part="MRS X", reason=Phrase("Mrs X, then."))
    made = Assessment(digest(1), header(1, body_part_examined="MRS X"), NOW, not_assessed=text, experimental="Mrs X so")
    emptied = load_assessment(TEXTS.without_citations(dump_assessment(made)))
    assert emptied.not_assessed == "Limits for  have not been tried; , then."
    assert isinstance(emptied.not_assessed, Phrase)
    assert emptied.not_assessed.message == SENTENCE
    assert (emptied.experimental, emptied.header.body_part_examined) == (" so", "")
    assert replace(emptied, not_assessed="", experimental="", header=made.header) == replace(
        made, not_assessed="", experimental=""
    )


def test_names_of_the_program_stay_even_where_a_header_has_the_same_word() -> None:
    document = {
        "name": "noise",
        "body_part": "CHEST",
        "view": "HER SIDE",
        "verdict": "REJECT",
        "score": 1.5,
        "text": None,
    }
    assert TEXTS.without_citations([document]) == [document | {"view": ""}]


def test_a_text_is_found_as_a_word_only() -> None:
    texts = HeaderTexts(frozenset(), frozenset({"BE", "A.B"}))
    assert texts.without_citations("It is beyond be, a.b and axb.") == "It is beyond ,  and axb."
