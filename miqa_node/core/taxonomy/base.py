"""Reads findings from TOML files: name, code, colour, and default policy of each.

A distribution adds findings with an entry point of the group ``miqa.taxonomies`` that refers to a :class:`Taxonomy`.
docs/how-to/extend.md shows a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from miqa_node.core.domain.codes import REASON_CODES, Code
from miqa_node.core.domain.finding import FindingName, FindingWords, GateClass
from miqa_node.core.domain.object_place import ChestRegion
from miqa_node.core.language.catalogue import catalogue
from miqa_node.core.wrong_values import where_and_what
from miqa_node.errors import SettingsError
from miqa_node.plugins import Seam

SCHEME = "99MIQA"
"""The private coding scheme, for concepts without a standard code."""
SOURCE_LANGUAGE = "en"

CodeText = Annotated[str, Field(max_length=16, pattern=r"^[A-Za-z0-9_.^-]+$")]
Meaning = Annotated[str, Field(min_length=1, max_length=64)]


class TaxonomyTable(BaseModel):
    """A table of a taxonomy file: a key that the schema does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConceptEntry(TaxonomyTable):
    """The exact concept, if the reason of CID 7011 is wider; without ``scheme`` a code of the private scheme."""

    value: CodeText
    scheme: CodeText = SCHEME
    meaning: Meaning
    definition: str = ""

    @property
    def code(self) -> Code:
        """The concept as a DICOM code."""
        return Code(self.value, self.scheme, self.meaning)


class CertaintyEntry(TaxonomyTable):
    """The concept of the finding's probability: its private code value, and the words after "Certainty of"."""

    value: CodeText
    of: Annotated[str, Field(min_length=1, max_length=50)]


class SeverityEntry(TaxonomyTable):
    """Meaning of severities .25, .5, .75 and 1: four sizes in ``unit`` (UCUM), and a description (``scale``)."""

    unit: str = ""
    sizes: tuple[str, ...] = ()
    scale: str = ""


class RuleEntry(TaxonomyTable):
    """One rule of the default policy."""

    verdict: Literal["REVIEW", "REJECT"]
    min_probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    min_severity: Annotated[float, Field(ge=0, le=1)] = 0.0
    over: tuple[ChestRegion, ...] = ()
    """What an object must lie over; empty: anything."""


class NamedEntry(TaxonomyTable):
    """Common fields of findings and classes of the gate: a reason of CID 7011, and words by language."""

    reason: str
    words: dict[str, FindingWords]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.reason not in REASON_CODES:
            raise ValueError(f"reason {self.reason!r} is not a code value of CID 7011")
        if SOURCE_LANGUAGE not in self.words:
            raise ValueError("there are no English words: add [….words.en] with a title")
        return self

    @property
    def code(self) -> Code:
        """The nearest reason of CID 7011."""
        return REASON_CODES[self.reason]

    def words_in(self, language: str) -> FindingWords:
        """The words in a language: from the taxonomy, else from the catalogue, else English."""
        if language in self.words:
            return self.words[language]
        english, translations = self.words[SOURCE_LANGUAGE], catalogue(language)
        return replace(
            english,
            title=translations.gettext(english.title),
            like=translations.gettext(english.like) if english.like else "",
            sizes=tuple(map(translations.gettext, english.sizes)),
            hint=translations.gettext(english.hint) if english.hint else "",
        )


class GateEntry(NamedEntry):
    """A reason why an image is outside what a model can judge.

    ``another_kind``: the pixels show something else, so nothing of the image is judged; otherwise it is the right kind
    with a fault.
    """

    another_kind: bool = False


class FindingEntry(NamedEntry):
    """A finding.

    ``soft``: slight degrees are normal, so limits of a room may apply (docs/how-to/limits-of-rooms.md). ``severe``: the
    strength (probability times severity) from which it counts although the room still learns what is usual there; None
    of what no room learns by itself. ``learned``: a room learns it all the same, and flags what lies beyond its own
    and the policy's limit; ``learned_with``: only of images that show this finding, too. ``region``:
    what its map shows: an object ("object"), a place, or no specific region ("whole" image). ``colour``: CIELab, L 0 to
    100, a and b -128 to 127. ``simulator``: ``module:name`` of its simulator for training. A retired finding is read
    and shown, but no longer offered: objects that were sent have its code. ``judged_by`` is the
    package beside the quality package that judges it; empty for findings of the quality package.

    What it is, for other parts of the node: ``fine``: it shows in single pixels, so pages magnify it. ``at_border``: it
    lies where the exposed field ends, so a presentation state shows this field. ``of_detector``: it comes from the
    device, so one place again and again is a defect of the device. ``any_part``: it needs no anatomy, so it is judged
    whatever the pixels show. ``expected``: it is not a defect, and takes nothing
    from the score.
    """

    concept: ConceptEntry | None = None
    certainty: CertaintyEntry | None = None
    soft: bool = False
    severe: Annotated[float, Field(gt=0, le=1)] | None = None
    learned: bool = False
    learned_with: str = ""
    region: Literal["whole", "place", "object"] = "whole"
    colour: tuple[float, float, float] = (65.0, 50.0, 40.0)
    severity: SeverityEntry = SeverityEntry()
    policy: tuple[RuleEntry, ...] = ()
    fine: bool = False
    at_border: bool = False
    of_detector: bool = False
    any_part: bool = False
    expected: bool = False
    simulator: str = ""
    retired: bool = False
    judged_by: str = ""


class TaxonomyFile(TaxonomyTable):
    """One file: a family of findings. Families with a lower ``order`` come first in tables and menus."""

    order: int = 1000
    finding: dict[str, FindingEntry] = {}
    gate: dict[str, GateEntry] = {}


@dataclass(frozen=True, eq=False, slots=True)
class Taxonomy:
    """Findings and classes of the gate, by name."""

    findings: Mapping[FindingName, FindingEntry]
    gates: Mapping[GateClass, GateEntry]


TAXONOMIES: Seam[Taxonomy] = Seam("taxonomies", Taxonomy)


def read_taxonomy(*paths: Path) -> Taxonomy:
    """Read the files, or every ``*.toml`` of a folder, by ``order``; SettingsError names file, entry and error."""
    files = [file for path in paths for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    tables = sorted((_read(file) for file in files), key=lambda table: table.order)
    try:
        return Taxonomy(
            {FindingName(name): entry for table in tables for name, entry in table.finding.items()},
            {GateClass(name): entry for table in tables for name, entry in table.gate.items()},
        )
    except ValueError as error:
        raise SettingsError(f"{', '.join(file.name for file in files)}: {error}") from error


def _read(path: Path) -> TaxonomyFile:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text("utf-8-sig"))
        return TaxonomyFile.model_validate(document)
    except ValidationError as error:
        raise SettingsError(f"{path.name}: {where_and_what(error.errors())}") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path.name}: {error}") from error
