"""Which body part and view the elements of a header name, the most reliable one first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from miqa_node.core.taxonomy.anatomy.vocabulary import Vocabulary, plain
from miqa_node.errors import SettingsError

_FOLDER = Path(__file__).parent
CHEST, FACE, PHANTOM = "CHEST", "FACE", "PHANTOM"
FRONTAL = "FRONTAL"
FRONTAL_VIEWS = frozenset({"AP", "PA"})
LATERAL = "LATERAL"

# What consoles write where they have nothing to say, and postures, which are not views.
# fmt: off
_EMPTY = frozenset({
    "UNKNOWN", "OTHER", "OTHERS", "NONE", "NA", "DEFAULT", "UNDEFINED", "UNSPECIFIED", "MISC", "SPECIAL", "GENERAL",
    "ERECT", "SUPINE", "STANDING", "SITTING", "UPRIGHT", "PORTABLE", "PORT", "BEDSIDE", "MOBILE", "PRONE", "BED",
    "LIEGEND", "STEHEND", "SITZEND", "BETT", "COUCHE", "DEBOUT", "ASSIS", "LIT", "ACOSTADO", "PIE", "SENTADO",
    "PORTATIL", "SUPINO", "ORTOSTATISMO", "SEDUTO", "LETTO", "LIGGEND", "STAAND", "ZITTEND", "DEITADO", "LEITO",
    "VIEW", "VIEWS", "EN", "DE", "IM", "AM", "A", "IN", "N",
})
# fmt: on
_HINTED = frozenset({"PA", "AP", FRONTAL, LATERAL, "LL", "RL", "DECUBITUS", "LLD", "RLD", "OBLIQUE", "LORDOTIC"})
"""Views that are believed from a description; "CC" and other short names of views also mean something else there."""
_SIDEWAYS = frozenset({"A", "P"})
"""First letters of Patient Orientation along the rows of a lateral view (PS3.3 C.7.6.1.1.1)."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How a header names one thing: ``codes`` as (scheme, value), the element itself, and free texts as hints.

    ``of_frames`` are the different codes of the frames of an enhanced image.
    """

    codes: tuple[tuple[str, str], ...] = ()
    written: str = ""
    hints: tuple[str, ...] = ()
    of_frames: tuple[tuple[str, str], ...] = ()

    @property
    def unknown(self) -> str:
        """What stands in the element, else the first code as ``<scheme> <value>``, for a person who maps it."""
        if not _is_empty(self.written):
            return self.written.upper()
        return next((f"{scheme} {value}" for scheme, value in (*self.codes, *self.of_frames) if value), "")


@dataclass(frozen=True, slots=True)
class PhantomNames:
    """How a site names its test objects: patterns with * and ? for Patient ID and for Patient's Name."""

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def include(self, patient_id: str, patient_name: str) -> bool:
        """Whether the subject of an image is one of them."""
        return _matches(patient_id, self.ids) or _matches(patient_name, self.names)


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text.upper(), pattern.upper()) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The vocabularies of body parts and views, and the names of test objects."""

    body_parts: Vocabulary
    views: Vocabulary
    phantoms: PhantomNames = PhantomNames()

    def body_part(self, naming: Naming, modality: str = "") -> str:
        """The term for the body part; what is written if nobody knows it; empty if nothing is given.

        A hint that names several parts counts only if the chest is not among them: descriptions of studies often list
        the images of all series.
        """
        part = self._first_code(self.body_parts, naming.codes) or self._part_in_words(naming.written)
        part = part or self._of_frames(naming.of_frames)
        if not part:
            part = next((term for text in naming.hints if (term := self._part_in_words(text))), "")
        if part == CHEST:
            part = self.body_parts.of_modality(modality) or CHEST
        if part or naming.unknown:
            return part or naming.unknown
        several = next((named for text in naming.hints if (named := self.body_parts.named(text))), {})
        return "" if CHEST in several else " ".join(sorted(several))

    def view(self, naming: Naming, orientation: tuple[str, ...] = ()) -> str:
        """The term for the view, with the same rules; Patient Orientation tells a lateral view from a frontal one."""
        view = self._first_code(self.views, naming.codes) or self.views.term(naming.written)
        if view or naming.unknown:
            return view or naming.unknown
        if len(orientation) == 2 and orientation[0][:1] in _SIDEWAYS and orientation[1][:1] == "F":
            return LATERAL
        return next((view for text in naming.hints if (view := self.views.term(text)) in _HINTED), "")

    def expanded_views(self, views: Iterable[str]) -> frozenset[str]:
        """``views`` and the terms that they mean; where both frontal views are allowed, so is an unspecific one."""
        expanded = self.views.expanded(views)
        return expanded | {FRONTAL} if expanded >= FRONTAL_VIEWS else expanded

    def _first_code(self, vocabulary: Vocabulary, codes: tuple[tuple[str, str], ...]) -> str:
        return next((term for code in codes if (term := vocabulary.of_code(*code))), "")

    def _of_frames(self, codes: tuple[tuple[str, str], ...]) -> str:
        """The part that all frames show, or the term for theirs together; empty if one of them is unknown."""
        parts = {self.body_parts.of_code(*code) for code in codes}
        return "" if "" in parts else self.body_parts.together(parts)

    def _part_in_words(self, text: str) -> str:
        named = self.body_parts.named(text)
        if len(named) > 1:  # "thorax de face" is a frontal chest
            named = {part: words for part, words in named.items() if part != FACE}
        return next(iter(named)) if len(named) == 1 else ""


def _is_empty(written: str) -> bool:
    return all(word in _EMPTY or word.isdigit() for word in plain(written).split())


STANDARD = Anatomy(Vocabulary.read(_FOLDER / "body_parts.toml"), Vocabulary.read(_FOLDER / "views.toml"))


def anatomy_of(
    body_parts: Mapping[str, str], views: Mapping[str, str], phantoms: PhantomNames = PhantomNames()
) -> Anatomy:
    """The standard vocabularies with a site's words and names; SettingsError for a word that means no known term."""
    for setting, site, vocabulary in (
        ("imaging.body_parts", body_parts, STANDARD.body_parts),
        ("imaging.views", views, STANDARD.views),
    ):
        if unknown := sorted(target for target in site.values() if not vocabulary.term(target)):
            raise SettingsError(
                f"{setting} maps to {unknown[0]!r}, which is no term that the node knows. It knows "
                f"{', '.join(sorted(vocabulary.terms))}."
            )
    return Anatomy(STANDARD.body_parts.extended(body_parts), STANDARD.views.extended(views), phantoms)
