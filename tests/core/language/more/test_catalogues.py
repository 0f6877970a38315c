"""No message lacks a translation, and another language is one file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from miqa_node.core.domain.measurand import measurands
from miqa_node.core.language import catalogue
from miqa_node.core.language.catalogue import DOMAIN, FOLDER
from miqa_node.core.taxonomy.lookup import finding_title
from miqa_node.core.words.voice import voice
from tests.core.language.sources import messages, read, taxonomy_messages
from tests.core.language.test_catalogues import TRANSLATED, _texts

Message = str | tuple[str, str]


@pytest.mark.filterwarnings("default:.* run make translations:UserWarning")
@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_missing_or_left_over(language: str) -> None:
    expected = {*messages(), *filter(None, taxonomy_messages(language))}
    written = {message.id: message.string for message in read(language) if message.id}
    hint = f"run make translations LANGUAGE={language} and translate what it adds"
    missing = lacking(expected, written)
    warn_of_measurements(missing, language)
    assert missing - of_measurements() == set(), hint
    assert {id_ for id_ in written if id_ not in expected} == set(), hint


def lacking(expected: Iterable[Message], written: Mapping[Any, object]) -> set[Message]:
    return {id_ for id_ in expected if not all(_texts(written.get(id_, "")))}  # type: ignore[arg-type]


def of_measurements() -> set[Message]:
    """What only a measurement says, whose author need not know the language."""
    return {text for one in measurands() for text in (one.label, one.phrase, one.concern)}


def warn_of_measurements(missing: set[Message], language: str) -> None:
    for message in sorted(map(str, missing & of_measurements())):
        place = f"{FOLDER.name}/{language}/LC_MESSAGES/{DOMAIN}.po"
        text = f"{place}: run make translations LANGUAGE={language} and fill msgstr of {message!r}"
        warnings.warn(text, stacklevel=1)


def test_a_word_of_a_measurement_without_german_is_a_warning_with_its_place() -> None:
    written: dict[Any, object] = {message.id: message.string for message in read("de")}
    concern = max(one.concern for one in measurands())
    written[concern] = ""
    missing = lacking({concern}, written)
    assert missing == {concern}
    with pytest.warns(UserWarning, match=r"locale/de/LC_MESSAGES/miqa.po: run make translations") as texts:
        warn_of_measurements(missing, "de")
    assert len(texts) == 1


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
