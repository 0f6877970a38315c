"""How the reject log of a vendor is read: names of columns, forms of times, and words for reasons, in a TOML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.settings.base import written
from miqa_node.core.settings.files import read_toml
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.taxonomy.lookup import all_finding_names
from miqa_node.core.wrong_values import where_and_what
from miqa_node.errors import NotFoundError, SettingsError

SHIPPED = Path(__file__).with_name("logs")
REASONS = "reasons"
"""Name of the file with the reasons that all mappings share."""
OTHER = "other"
"""What a reason counts as whose words nobody knows."""
FIELDS = (
    "time", "date", "clock", "room", "unit", "operator", "body_part", "view", "reason", "exposure_index",
    "target_exposure_index", "deviation_index", "kvp", "mas", "status",
)  # fmt: skip
_NOT_WORDS = re.compile(r"[\W_]+")

Words = tuple[Annotated[str, Field(max_length=200)], ...]


class LogTable(BaseModel):
    """A table of a mapping file: a key that the schema does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReasonEntry(LogTable):
    """One reason of TG-305's kind: its code of CID 7011, the finding that it means, and what logs call it."""

    code: str
    finding: str = ""
    words: Words = ()


class LogMapping(LogTable):
    """A mapping file. ``columns`` names each field's possible heads, the best first; all other columns are dropped.

    ``only`` lists the words of the status of rejects, where a log has accepted exposures, too; ``end`` what the first
    cell after the last row says. ``clock_error_s`` is how far the log's time may lie from the time in the image.
    """

    title: Annotated[str, Field(min_length=1, max_length=200)]
    time_formats: Annotated[tuple[str, ...], Field(min_length=1)]
    decimal: Annotated[str, written("[.,]", "a point or a comma")] = "."
    modality: Annotated[str, Field(max_length=16)] = "DX"
    clock_error_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    end: Words = ()
    columns: dict[str, Words]
    only: dict[str, Words] = Field(default_factory=dict)
    reasons: dict[str, Words] = Field(default_factory=dict)
    body_parts: dict[str, Words] = Field(default_factory=dict)
    views: dict[str, Words] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> LogMapping:
        unknown = sorted({*self.columns, *self.only} - set(FIELDS)) + sorted(set(self.reasons) - set(reasons()))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no field and no reason")
        if "reason" not in self.columns or not {"time", "date"} & set(self.columns):
            raise ValueError("columns needs reason, and time or date")
        return self

    def reason(self, text: str) -> str:
        """The reason that the words of a log mean; empty if they are unknown."""
        return _of_words(self.reasons, text) or _common_words().get(plain(text), "")

    def body_part(self, text: str) -> str:
        """As DICOM writes it, if the mapping or the node's own table knows; else as the log does, in capitals."""
        return STANDARD.body_parts.canonical(_of_words(self.body_parts, text) or text)

    def view(self, text: str) -> str:
        """The same for the view."""
        return STANDARD.views.canonical(_of_words(self.views, text) or text)


def plain(text: str) -> str:
    """Words without case, spaces and punctuation.

    >>> plain("Patient – Motion"), plain("p.a.")
    ('patientmotion', 'pa')
    """
    return _NOT_WORDS.sub("", text).casefold()


@cache
def reasons() -> Mapping[str, ReasonEntry]:
    """Every reason by its name."""
    document = read_toml(SHIPPED / f"{REASONS}.toml")
    entries = {name: ReasonEntry(**entry) for name, entry in document["reason"].items()}
    for name, entry in entries.items():
        if entry.code not in REASON_CODES or (entry.finding and entry.finding not in all_finding_names()):
            raise SettingsError("{reasons}.toml: {name} has an unknown code or finding.", reasons=REASONS, name=name)
    return entries


def mappings(site: Path | None) -> dict[str, Path]:
    """The files by the names of their mappings: those that the node brings, and the site's, which come first."""
    files = {path.stem: path for path in sorted(SHIPPED.glob("*.toml")) if path.stem != REASONS}
    if site is not None:
        files.update({path.stem: path for path in sorted(site.glob("*.toml"))})
    return dict(sorted(files.items()))


def load_mapping(name: str, site: Path | None) -> LogMapping:
    """A mapping by name. NotFoundError if there is none, SettingsError if its file cannot be understood."""
    files = mappings(site)
    if name not in files:
        raise NotFoundError(
            "There is no mapping {name} of reject logs; there are {mappings}.",
            name=f"{name!r}",
            mappings=", ".join(files),
        )
    try:
        return LogMapping(**read_toml(files[name]))
    except ValidationError as error:
        raise SettingsError(
            "{name}: {where_and_what}", name=files[name].name, where_and_what=where_and_what(error.errors())
        ) from error


def _of_words(table: Mapping[str, Words], text: str) -> str:
    of_text = plain(text)
    return next((name for name, words in table.items() if of_text in {plain(word) for word in words}), "")


@cache
def _common_words() -> Mapping[str, str]:
    return {plain(word): name for name, entry in reasons().items() for word in entry.words}
