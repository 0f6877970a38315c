"""No message lacks a translation, and another language is one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from miqa_node.core.language import catalogue
from miqa_node.core.language.catalogue import DOMAIN
from miqa_node.core.taxonomy.lookup import finding_title
from miqa_node.core.words.voice import voice
from tests.core.language.sources import messages, read, taxonomy_messages
from tests.core.language.test_catalogues import TRANSLATED, _texts


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_missing_or_left_over(language: str) -> None:
    expected = {*messages(), *filter(None, taxonomy_messages(language))}
    written = {message.id: message.string for message in read(language) if message.id}
    hint = f"run make translations LANGUAGE={language} and translate what it adds"
    assert {id_ for id_ in expected if id_ not in written} == set(), hint
    assert {id_ for id_ in written if id_ not in expected} == set(), hint
    assert [id_ for id_, text in written.items() if not all(_texts(text))] == [], hint


def test_another_language_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = Catalog(locale="fr", domain=DOMAIN)
    expected = {*messages(), *filter(None, taxonomy_messages("fr"))}
    for message in expected:
        template.add(message, tuple(f"«{text}»" for text in message) if isinstance(message, tuple) else f"«{message}»")
    folder = tmp_path / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / f"{DOMAIN}.po").open("wb") as stream:
        write_po(stream, template)
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    catalogue.catalogue.cache_clear()
    voice.cache_clear()
    try:
        assert catalogue.languages() == ("en", "fr")
        assert finding_title("motion_blur", "fr") == "«Motion blur»"
        assert voice("fr").say("No quality defect was found.") == "«No quality defect was found.»"
    finally:
        catalogue.catalogue.cache_clear()
        voice.cache_clear()
