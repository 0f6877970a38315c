"""Translations fit their messages, none is missing, and each text that people read can be translated."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from jinja2 import Environment, nodes

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.measurand import MEASUREMENTS, measurands
from miqa_node.core.domain.reason_texts import finding_text, measured_text
from miqa_node.core.language import catalogue
from miqa_node.core.language.catalogue import DOMAIN, LANGUAGE, SOURCE, languages, reworded, say_number
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.language.template import TemplateTexts
from miqa_node.core.taxonomy.lookup import finding_title
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.core.words.voice import voice
from miqa_node.errors import NotFoundError
from tests.core.language.sources import ROOT, SPEAKING, messages, read, taxonomy_messages
from tests.core.language.untranslated import differences, lacking, places, untranslated
from tests.policies import numbered
from tests.release import VARIABLE, tell

TEMPLATES = [path for folder in SPEAKING for path in sorted((ROOT / folder).rglob("*.html"))]
TWO_WORDS = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")
UNMARKED_IN_SCRIPT = re.compile(
    r"""(?:(?:textContent|alt|title) = |"aria-label", |new Option\()["`][A-Za-z][a-z]{2,}[^\n]*"""
)
TRANSLATED = [language for language in languages() if language != SOURCE]
Message = str | tuple[str, str]


def _texts(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str | None) else tuple(text)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_translation_fits_its_message(language: str) -> None:
    written = read(language)
    for message in written:
        if not message.id:
            continue
        assert [str(error) for error in message.check(written)] == [], message.id
        assert not message.fuzzy, message.id
        for text, english in zip(_texts(message.string), _texts(message.id), strict=True):
            assert _marks(text) == _marks(english), message.id
            assert '"' not in text or "<" in text, f"a straight quotation mark ends attributes: {text}"


def _marks(text: str) -> tuple[set[str], list[str]]:
    """Placeholders and tags, which a translation keeps."""
    return set(re.findall(r"\{\w+\}", text)), sorted(re.findall(r"</?\w+[^>]*>", text))


def test_texts_attributes_and_expressions_of_a_template_are_one_message_each() -> None:
    source = (
        '<p title="The {{ one.name }}">As of {{ parts.time(at) }}, <strong>{{ n }} of {{ m }}</strong>\n'
        "{% if x > 1 %}since <code>x</code>{% endif %}</p><kbd>ab</kbd><script>var words;</script>{{ value }}"
    )
    assert TemplateTexts(source).messages() == (
        "The {name}",
        "As of {at}, <strong>{n} of {m}</strong>",
        "since <code>x</code>",
    )
    ids = {
        "As of {at}, <strong>{n} of {m}</strong>": "<strong>{n} von {m}</strong>, Stand {at}",
        "The {name}": "Das {name}",
    }
    assert TemplateTexts(source).translated(lambda text: ids.get(text, text)) == (
        '<p title="Das {{ one.name }}"><strong>{{ n }} von {{ m }}</strong>, Stand {{ parts.time(at) }}\n'
        "{% if x > 1 %}since <code>x</code>{% endif %}</p><kbd>ab</kbd><script>var words;</script>{{ value }}"
    )
    assert TemplateTexts(source).translated(lambda text: text) == source


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: "/".join(path.parts[-2:]))
def test_words_in_expressions_of_a_template_are_marked(path: Path) -> None:
    tree = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    unmarked = [text for text in _unmarked(tree, inside=False) if text not in messages()]
    assert unmarked == [], 'write _("…") around words in expressions'


def _unmarked(node: nodes.Node, *, inside: bool) -> Iterator[str]:
    """Constants of two words or more that no call of ``_`` or ``ngettext`` translates."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in {"_", "ngettext"}:
        return
    if isinstance(node, nodes.Compare | nodes.Getitem | nodes.FromImport):  # values and keys, not texts
        return
    if inside and isinstance(node, nodes.Const) and isinstance(node.value, str) and TWO_WORDS.search(node.value):
        yield node.value
    for child in node.iter_child_nodes():
        if not isinstance(child, nodes.TemplateData):
            yield from _unmarked(child, inside=inside or isinstance(child, nodes.Expr))


def test_each_limit_of_the_shipped_policy_says_why_it_matters() -> None:
    """Reasons of radiographs were bare numbers: "Displayed contrast 7.625 % is below 12 %"."""
    policy = parse_policy(tomllib.loads((ROOT.parent / "config" / "policy.toml").read_text(encoding="utf-8")))
    limited = {rule.what for rule in numbered(policy)}
    assert [name for name in sorted(limited) if not MEASUREMENTS.all()[name].concern] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_reasons_of_measurements_are_translated(language: str) -> None:
    """Each rule of the shipped policy, also as versions stored it whose measurements had no sentence of their own."""
    policy = parse_policy(tomllib.loads((ROOT.parent / "config" / "policy.toml").read_text(encoding="utf-8")))
    rules = {(rule.what, rule.side) for rule in numbered(policy)}
    texts = [measured_text(Measurement(name, 7.4, "1"), side, 5) for name, side in rules]
    for name, side in (("displayed_contrast", "below"), ("deviation_index", "above")):
        texts.append(Phrase(f"{humanised(name)} {{value}} is {side} {{limit}}", value="7.4", limit="5"))
    token = LANGUAGE.set(language)
    try:
        assert len(texts) > 5
        texts = [text for text in texts if not untranslated(language) & {text, getattr(text, "message", "")}]
        assert [text for text in texts if reworded(text) == text] == []
        concerns = [text.values["concern"] for text in texts if "concern" in text.values]
        assert [text for text in concerns if reworded(text) == text and text not in untranslated(language)] == []
    finally:
        LANGUAGE.reset(token)


def test_words_of_scripts_are_marked() -> None:
    scripts = [path for path in (ROOT / "interfaces" / "web" / "static").rglob("*.js") if "vendor" not in path.parts]
    for path in scripts:
        assert UNMARKED_IN_SCRIPT.findall(path.read_text(encoding="utf-8")) == [], path.name


def test_a_text_with_values_is_said_in_german_and_a_strange_one_stays() -> None:
    token = LANGUAGE.set("de")
    try:
        assert reworded(finding_text("Motion blur", 0.93, 0.5)) == (
            "Bewegungsunschärfe: Wahrscheinlichkeit 0.93, Ausprägung 0.50"
        )
        assert reworded(str(NotFoundError("There is no account {name}.", name="anna"))) == "Es gibt kein Konto anna."
        for text in ("Whatever a plug-in says.", "There is no account anna."):  # of an earlier version
            assert reworded(text) == text
        assert say_number("{count} study", "{count} studies", 1) == "1 Untersuchung"
    finally:
        LANGUAGE.reset(token)


def test_reasons_name_findings_in_german() -> None:
    english, german = finding_title("clipped_anatomy"), finding_title("clipped_anatomy", "de")
    assert english != german
    token = LANGUAGE.set("de")
    try:
        assert reworded(finding_text(english, 0.97, 0.5)).startswith(f"{german}: ")
        assert reworded("Lungs are brighter than the mediastinum: the grayscale is probably inverted.").startswith(
            "Die "
        )
    finally:
        LANGUAGE.reset(token)


GERMAN_TERMS = (
    ("body part", "Körperregion"),
    ("laterality", r"\bSeite(nangabe)?\b"),
    ("side marker", "Seitenmarker"),
    ("exposed field", "belichtete\\w* Feld"),
    ("usual range", "übliche[rn]? Bereich"),
    ("silent (first )?days", "stillen? (ersten? )?Tage"),
    ("experimental", "experimentell"),
    ("flags nothing", "macht kein Bild auffällig"),
)
"""What stands for a term of the pages wherever it occurs; names of attributes, in capitals, stay as they are."""


@pytest.mark.parametrize(("english", "german"), GERMAN_TERMS)
def test_a_term_has_one_german_word(english: str, german: str) -> None:
    term = re.compile(rf"\b{english}s?\b|\b{english[0].upper()}{english[1:]}s?\b")
    of_term = [one for one in read("de") if one.id and one.string and any(term.search(text) for text in _texts(one.id))]
    assert of_term
    others = [one.id for one in of_term if not re.search(german, " ".join(_texts(one.string)), re.IGNORECASE)]
    assert others == []


@pytest.mark.more
@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_missing_or_left_over(language: str) -> None:
    tell(places(differences(language), language))


@pytest.mark.more
def test_a_message_without_german_is_a_warning_with_its_place_and_a_fault_of_a_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    concern, days = max(one.concern for one in measurands()), ("{count} day", "{count} days")
    missing = lacking({concern, days}, {concern: "", days: ("{count} Tag", "{count} Tage")})
    assert missing == {concern}
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.warns(UserWarning, match=r"locale/de/LC_MESSAGES/miqa.po: run make translations") as texts:
        tell(places(missing, "de"))
    assert len(texts) == 1
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(AssertionError, match="run make translations LANGUAGE=de"):
        tell(places(missing, "de"))


@pytest.mark.more
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
