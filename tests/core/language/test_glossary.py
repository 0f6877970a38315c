"""German texts keep to the glossary: words of radiographers, and none that means something else in a department."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from miqa_node.core.language.catalogue import FOLDER, spoken
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.taxonomy.lookup import finding_entries, gate_entries
from miqa_node.core.words.image_title import anatomy_words, image_title
from tests.core.language.sources import read

GLOSSARY: dict[str, dict[str, Any]] = tomllib.loads((FOLDER.parent / "glossary.toml").read_text("utf-8"))


def texts() -> Iterator[str]:
    for message in read("de"):
        yield from message.string if isinstance(message.string, tuple | list) else [message.string or ""]
    for entry in (*finding_entries().values(), *gate_entries().values()):
        words = entry.words_in("de")
        yield from (words.title, words.meaning, words.like, words.hint)


@pytest.mark.parametrize("term", GLOSSARY)
def test_german_has_the_words_of_the_glossary(term: str) -> None:
    entry = GLOSSARY[term]
    patterns = [re.compile(one) for one in entry.get("never", ())]
    assert [text for text in texts() if any(one.search(text or "") for one in patterns)] == []
    catalogue = {str(message.id): message.string for message in read("de")}
    assert {english: catalogue.get(english) for english in entry.get("de", {})} == entry.get("de", {})


def test_no_verb_is_both_what_the_program_and_what_people_do() -> None:
    german = {str(one.id): one.string for one in read("de")}
    assert german["Check"] != german["Review"] != german["Judge again"]


@pytest.mark.parametrize("vocabulary", [STANDARD.body_parts, STANDARD.views], ids=["body parts", "views"])
def test_each_part_and_view_has_words_in_both_languages(vocabulary: Any) -> None:
    for term in sorted(vocabulary.terms):
        assert vocabulary.concept(term).de, term
        assert vocabulary.words_for(term, "en")
    assert vocabulary.words_for("no term", "de") == "no term"


@pytest.mark.parametrize(
    ("language", "title"),
    [("en", "DX · Cervical spine · lateral"), ("de", "DX · HWS · seitlich")],
)
def test_titles_have_words_in_place_of_terms(language: str, title: str) -> None:
    with spoken(language):
        assert image_title("DX", "CSPINE", "LATERAL") == title
        assert image_title("DX", "FOOT AND ANKLE", "X1") == "DX · FOOT AND ANKLE · X1", "what nobody knows stays"
        assert "KNEE" not in anatomy_words("no figures exist for KNEE AP")
