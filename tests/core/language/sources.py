"""Every message of the node: of templates, scripts, errors that pages show, reasons, and words of the domain.

``python -m tests.core.language.sources [LANGUAGE]`` writes what a catalogue lacks into it, with empty translations, and
takes out what nobody says any more. Messages are sorted, and no place stands beside them: two branches that add some
seldom change the same line.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast

import miqa_node
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.derivation import DerivedReason
from miqa_node.core.domain.dimse_status import RANGE_WORDS, STATUS_WORDS
from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.domain.measurand import measurands
from miqa_node.core.domain.prediction import PredictionStatus
from miqa_node.core.domain.reassessment import FLAG_STAYS
from miqa_node.core.domain.verdict import VERDICT_WORDS
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.core.language.catalogue import DOMAIN, FOLDER
from miqa_node.core.language.template import TemplateTexts
from miqa_node.core.settings.log_mapping import load_mapping, mappings, reasons
from miqa_node.core.taxonomy.lookup import finding_entries, gate_entries
from miqa_node.core.taxonomy.reasons import OTHER_REASONS
from miqa_node.core.words.formats import words
from miqa_node.core.words.image_title import SIDES
from miqa_node.core.words.next_step import LABEL, LOOK, NOTHING, OF_SERIES
from miqa_node.core.words.phrases import messages as narrative_messages
from miqa_node.core.wrong_values import KNOWN, NOT_ALLOWED, SENTENCES, THE_VALUE
from miqa_node.dicom.pixels.dataset import FLOATING_POINT, NO_PIXELS
from miqa_node.dicom.pixels.decoders import UNDECODABLE, UNKNOWN_SYNTAX
from miqa_node.dicom.pixels.frame import DAMAGED as DAMAGED_PIXELS
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.errors import MiqaError
from miqa_node.features.analysis.log_reader import NUMBERS, PLACES
from miqa_node.features.analysis.page.rooms.router import LIGHT_WORDS
from miqa_node.features.analysis.pictures import MONTHS
from miqa_node.features.analysis.rejects import Level
from miqa_node.features.reassess.reassessment import GONE, NO_MODEL, UNPLACED, UNREADABLE, WAITING
from miqa_node.features.worklist.form import Show
from miqa_node.features.worklist.page.study.router import KEYS
from miqa_node.features.worklist.page.worklist.router import FACETS
from miqa_node.interfaces.web.html.pages import script_texts
from miqa_node.interfaces.web.page import PAGES
from miqa_node.interfaces.web.problems import _DETAILS, _TITLES
from miqa_node.interfaces.web.values import FORMS
from miqa_node.runtime.people import pseudonym_keys
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store.integrity import DAMAGED, RESTORE
from miqa_node.stages.assess.another_kind import NO_LUNGS, PIXELS_SHOW_ANOTHER
from miqa_node.stages.assess.automation import Evidence
from miqa_node.stages.deliver.retrieval import ENDLESS
from miqa_node.stages.deliver.statuses import NOTES
from miqa_node.stages.units.mended import ORIGINAL

ROOT = Path(miqa_node.__file__).parent
SPEAKING = (
    "interfaces/web",
    "stages/report/templates",
    *(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("features/*/page"))),
)
"""Folders with templates that the node's languages are for; training and self-test are English."""
PROGRAMS = re.compile(r"^interfaces/cli/|/command/|^features/backup/|^(api|local\w*)\.py$")
"""What only programs and people at a command line meet: commands are English."""
NOT_SHOWN = {
    "BackupError",
    "CaptionError",
    "SettingsError",
    "SignatureError",
}
"""Errors of the node that stay with whoever starts it, gives a command, or reads its log."""

WORDS = (
    "retake done",
    "settled",
    "judged again",
    "not judged again",
    "corrected",
    "said",
    "not reported",
    "retake requested",
    "rejected",
    "opened",
    "claimed",
    "released",
    "reopened",
    "amended",
    "flagged",
    "acknowledged",
    "early",
    "late",
    "night",
    "Quality",
    "Anatomical points",
    "In trial (shadow)",
    "answers C-ECHO",
    "can be written",
    "answers DICOMweb",
    "takes events",
    "undone",
    "assigned",
    "commented",
    "all other rooms",
    "Rejects",
    "Model watch",
    "Labels",
    "Reject logs",
    "This month",
    "Last month",
    "12 months",
    "Everything",
    "Findings",
    "Header against pixels",
    "Other",
    "Unresolved",
    "Received",
    "In progress",
    "Deliveries waiting",
    "Predictions waiting",
    "Deliveries failed",
    "not given",
    "where the model looked",
    "unlike other images",
    "marked",
    "No reason given",
    "decisions of people in this node",
    "rejection notes of other systems (IHE IOCM)",
    "week",
    "day",
    "month",
    "By room",
    "By shift",
    "By operator",
    "By body part",
    "By view",
    "By modality",
    "By station",
    "By technique",
    "Room",
    "Shift",
    "Operator",
    "Body part",
    "View",
    "Modality",
    "Station",
    "steady",
    "moving",
    "different",
    "too few",
    "good",
    "bad",
    "acceptable",
    "repeat",
    "role",
    "added",
    "enabled",
    "disabled",
    "link",
    "signed out",
    "The image is outside the model's scope.",
    "the training images",
    "this site's images",
)
"""What pages say of values of the domain."""
REASONS = (
    *NOTES,
    pseudonym_keys.MEND,
    retention_clock.MEND,
    *UNDECODABLE.values(),
    PIXELS_SHOW_ANOTHER,
    NO_LUNGS,
    UNKNOWN_SYNTAX,
    DAMAGED_PIXELS,
    NO_PIXELS,
    FLOATING_POINT,
    ENDLESS,
    "{action} by {actor}",
    *(reason.value for reason in DerivedReason),
    "The image is not what the model was made for.",
    "top {share} of {images}",
    "probability {probability}, severity {severity}",
    "Unusual image",
    "Burnt out share {value} is above {limit}",
    "Crushed dark share {value} is above {limit}",
    "Deviation index {value} is above {limit}",
    "Deviation index {value} is below {limit}",
    "Displayed contrast {value} is below {limit}",
    "Grid peak {value} is above {limit}",
    "{measurement}: {value}, above the limit of {limit}. {concern}",
    "{measurement}: {value}, below the limit of {limit}. {concern}",
    "{measurement}: {value}, above the limit of {limit}",
    "{measurement}: {value}, below the limit of {limit}",
    "Put a new one in its place: the node takes it without a restart.",
    "Several keys of pseudonyms are in use",
    "Retention waits",
    "Check the disk. miqa-node fsck --deep names them; the same images sent again replace them.",
    "Calling AE title not recognised",
    "Called AE title not recognised",
    "Application context name not supported",
    "Protocol version not supported",
    "Temporary congestion",
    "Local limit exceeded",
    "The node's log has the details.",
    "Say who does it: this node has no accounts.",
    "Name or password is wrong.",
    "Too many wrong passwords. Wait {minutes} minutes, or ask an administrator for a new link.",
    "The code is wrong. Look at the app again; its code changes every 30 seconds, and each works once.",
    "Choose a file first.",
    "Too many people sign in at once; try again in a moment.",
    "The first account must be an administrator's: make yours first.",
    "The node does not know this language or time zone.",
)
"""Texts that are put together where something happens, with their values as placeholders."""


@cache
def messages() -> frozenset[str | tuple[str, str]]:
    """Each message of the node; a pair if it has a plural."""
    texts = {message for message in _all() if message}
    return frozenset(texts.difference(text for one in texts if isinstance(one, tuple) for text in one))


def _all() -> Iterator[str | tuple[str, str]]:
    for folder in SPEAKING:
        for path in sorted((ROOT / folder).rglob("*.html")):
            source = path.read_text(encoding="utf-8")
            yield from (*TemplateTexts(source).messages(), *_marked(source))
    yield from script_texts()
    for place, tree in modules():
        yield from (*_phrases(tree), *errors_of(place, tree))
        yield from _numbers(tree)
    yield from (*narrative_messages(), FLAG_STAYS, *_of_domain())


def _of_domain() -> Iterator[str]:
    yield from (*STATUS_WORDS.values(), *RANGE_WORDS)
    yield from (*SENTENCES.values(), KNOWN, NOT_ALLOWED, THE_VALUE, *FORMS.values())
    yield from (*WORDS, *REASONS, *VERDICT_WORDS.values(), *LIGHT_WORDS.values(), *OTHER_REASONS.values())
    yield from (GONE, UNREADABLE, WAITING, UNPLACED, f"{NO_MODEL} {{reason}}", *ORIGINAL.values(), DAMAGED, RESTORE)
    yield from (LABEL, LOOK, NOTHING, *dict.fromkeys(OF_SERIES.values()))
    yield from (*FACETS.values(), *SIDES.values(), *MONTHS, *AuditEvent)
    yield from (*_TITLES.values(), *_DETAILS.values(), *(text for _, text in KEYS))
    yield from (*(one.words for one in Resolution), *(one.value.capitalize() for one in WorklistState))
    yield from (*(one.value.capitalize() for one in DeliveryState), *(words(one.value) for one in PredictionStatus))
    yield from (one.value for one in Evidence)
    yield from (
        *(words(one.value) for one in Show),
        *(words(one.value) for one in LabelOrigin),
        *(one.value for one in Level),
        *(code.meaning for code in REASON_CODES.values()),
    )
    yield from (page.navigation.name for page in PAGES.all().values() if page.navigation)
    yield from (name.replace("_", " ").capitalize() for name in ISSUES)
    yield from (*(words(name) for name in reasons()), *(name.replace("_", " ") for name in (*NUMBERS, *PLACES)))
    yield from (load_mapping(name, None).title for name in mappings(None))
    yield from (one.concern for one in measurands())
    yield from _plausibility()


def taxonomy_messages(language: str) -> Iterator[str]:
    """The messages of a taxonomy that has no words in this language."""
    for entry in (*finding_entries().values(), *gate_entries().values()):
        if language not in entry.words:
            english = entry.words["en"]
            yield from (english.title, english.like, english.hint, *english.sizes)


def _plausibility() -> Iterator[str]:
    """The sentences that ``dicom/pixels/plausibility.py`` yields beside the names of issues."""
    for node in ast.walk(ast.parse((ROOT / "dicom" / "pixels" / "plausibility.py").read_text("utf-8"))):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
            yield _text(node.value.elts[1])


def _marked(source: str) -> Iterator[str | tuple[str, str]]:
    """The messages in statements and expressions of a template."""
    calls = extract_from_ast(Environment(autoescape=True).parse(source), ("_", "ngettext"))
    for _, name, text in calls:
        if name == "ngettext" and isinstance(text, tuple) and text[0] and text[1]:
            yield text[0], text[1]
        elif isinstance(text, str):
            yield text
        elif isinstance(text, tuple) and text[0]:
            yield text[0]


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Each module of the package, of the measures of series and phantoms and of messages, with its place."""
    for root in (ROOT, *(ROOT.parent / "packages" / f"miqa-node-{one}" for one in ("hl7", "phantoms", "series"))):
        for path in sorted(root.rglob("*.py")):
            yield path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


@cache
def shown_errors() -> frozenset[str]:
    """The names of the errors of the node, of packages included, that a page or an answer may show."""
    kinds, names = [MiqaError], {"HTTPException", "RequestRefusal", "RowError"}
    for kind in kinds:  # what derives from one that is not shown is not shown either
        kinds += [one for one in kind.__subclasses__() if one.__name__ not in NOT_SHOWN]
        names.add(kind.__name__)
    return frozenset(names)


def sentences_of(place: str, tree: ast.AST) -> Iterator[ast.expr]:
    """The sentences of a module's errors, if people may see them: constants, or expressions that a test refuses."""
    if PROGRAMS.search(place):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _called(node)) and name in shown_errors() | {"say"}:
            yield from node.args[:1] if name == "say" else node.args


def errors_of(place: str, tree: ast.AST) -> Iterator[str]:
    """The messages of errors, also of those that the module names by a constant."""
    named = _constants(tree)
    for node in sentences_of(place, tree):
        text = named.get(node.id, "") if isinstance(node, ast.Name) else _text(node)
        if re.search(WORD, _VALUE.sub("", text)):
            yield text


def _constants(tree: ast.AST) -> dict[str, str]:
    """The texts that a module has names for."""
    return {
        target.id: _text(node.value)
        for node in ast.iter_child_nodes(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _numbers(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in {"of_number", "say_number"}:
            yield _text(node.args[0]), _text(node.args[1])


def _phrases(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in {"Phrase", "say"} and node.args:
            text = _text(node.args[0])
            if isinstance(node.args[0], ast.Constant) and re.search(WORD, _VALUE.sub("", text)):
                yield text


_VALUE = re.compile(r"\{\w+\}")
WORD = "[a-z]{2}"
"""What makes a text one that is translated: "{score} of 100" is one, "{low} – {high}" is none."""


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "id", getattr(call.func, "attr", "")))


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def read(language: str) -> Catalog:
    """The catalogue as it is written."""
    with _path(language).open("rb") as stream:
        return read_po(stream, locale=language, domain=DOMAIN)


def _path(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def main(language: str) -> None:
    """Bring a catalogue up to date."""
    old = read(language) if _path(language).exists() else Catalog(locale=language, domain=DOMAIN)
    translations = {message.id: message.string for message in old if message.id}
    new = Catalog(
        locale=language,
        domain=DOMAIN,
        project="miqa-node",
        version="1",
        language_team="miqa-node",
        last_translator="miqa-node",
        creation_date=datetime(2026, 11, 20, tzinfo=UTC),
        revision_date=datetime(2026, 11, 20, tzinfo=UTC),
        fuzzy=False,
        header_comment=f"# Messages of miqa-node in {language}. Bring up to date with: make translations",
    )
    expected = messages().union(text for text in taxonomy_messages(language) if text)
    for message in expected:
        new.add(message, translations.get(message, ("", "") if isinstance(message, tuple) else ""))
        new[message].flags.clear()  # Babel finds the braces again when it reads
    _path(language).parent.mkdir(parents=True, exist_ok=True)
    with _path(language).open("wb") as stream:
        write_po(stream, new, width=140, no_location=True, sort_output=True)
    missing = sum(not message.string or not all(message.string) for message in new if message.id)
    print(f"{language}: {missing} of {len(expected)} messages are not translated.")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "de")
