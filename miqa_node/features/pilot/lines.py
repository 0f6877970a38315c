"""A pilot as lines without patients: what its report is made of, and its CSV, by which anybody makes each number again.

A line has no UID, accession number or day; the head has the period, the days on which each room worked, and the
strata of the sample with how much of each was drawn, and the rejects of imported logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date

from miqa_node.core.domain.spreadsheet import csv_lines
from miqa_node.features.pilot.progress import Outcome

UID = re.compile(r"\b\d+(?:\.\d+){3,}\b")
"""Also addresses: words of an archive may hold either."""
FINDINGS = "; "


@dataclass(frozen=True, slots=True)
class PilotLine:
    """One image. ``month`` is "2026-10"; ``why`` says why it has no verdict, or in the source's words why none came.

    ``is_hard``: a rule flags it that no room learns. ``stratum`` is empty unless it was drawn; ``is_lost`` if the
    source no longer had it then. ``first`` and ``second`` are grades of readers A and B, empty if they did not read it.
    ``own``: 1 if the room's own limits flag it, 0 if not, empty if it has none.
    """

    outcome: str
    room: str
    modality: str
    body_part: str
    view: str
    month: str
    verdict: str
    findings: tuple[str, ...]
    is_hard: bool
    why: str
    stratum: str
    is_lost: bool
    first: str
    second: str
    own: str = ""

    @property
    def is_judged(self) -> bool:
        """Whether it has a verdict other than NOT_ASSESSED."""
        return self.outcome == Outcome.JUDGED and self.verdict != "NOT_ASSESSED"

    @property
    def is_flagged(self) -> bool:
        """Whether its verdict asks somebody to look."""
        return self.is_judged and bool(self.findings)


@dataclass(frozen=True, slots=True)
class PilotLines:
    """All of a pilot. ``days`` are those on which a room worked, by room; ``strata`` are (images, drawn) by name.

    ``budget`` is the share of a room's images that its own limits may flag, ``learn_images`` how many teach a room.
    ``learn``: rooms learned from these images.
    """

    pilot: str
    sha256: str
    since: date
    until: date
    planned: int
    erased: int
    budget: float
    learn_images: int
    learn: bool
    days: Mapping[str, int]
    strata: Mapping[str, tuple[int, int]]
    lines: Sequence[PilotLine]
    rejects: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Of imported reject logs in the period, by room, reason (a code of CID 7011) and the finding that fits it."""


def to_csv(pilot: PilotLines) -> str:
    """The CSV: head, an empty line, and one line an image."""
    return "".join(csv_lines(_rows(pilot)))


def _rows(pilot: PilotLines) -> Iterator[list[object]]:
    for name in ("pilot", "sha256", "since", "until", "planned", "erased", "budget", "learn_images", "learn"):
        yield [name, _cell(getattr(pilot, name))]
    for room, days in pilot.days.items():
        yield ["days", room, days]
    for stratum, (images, drawn) in pilot.strata.items():
        yield ["stratum", stratum, images, drawn]
    for reject, number in pilot.rejects.items():
        yield ["reject", *reject, number]
    yield []
    names = [one.name for one in fields(PilotLine)]
    yield list(names)
    for line in pilot.lines:
        yield [_cell(getattr(line, name)) for name in names]


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return FINDINGS.join(value)
    return UID.sub("…", value) if isinstance(value, str) else int(value) if isinstance(value, bool) else value
