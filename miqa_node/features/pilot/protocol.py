"""The protocol of a pilot: fixed before the first image is fetched, and identified by its hash."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from miqa_node.core.domain.study_protocol import PROTOCOL_NAME, StudyProtocol
from miqa_node.errors import SettingsError
from miqa_node.stages.units.kinds import PROJECTION_MODALITIES


@dataclass(frozen=True, slots=True)
class CountedSeries:
    """So many images of one series; ``room`` and ``body_part`` are empty if only the images themselves say them."""

    study_date: str
    modality: str
    images: int
    room: str
    body_part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotProtocol(StudyProtocol):
    """Which images of the past are judged, and by what.

    ``sources`` is the name of one destination, or paths (``is_archive`` says which). ``until`` is the last day,
    ``body_part`` empty for all. ``planned`` is the number of images that the source said it has, ``rooms`` and
    ``body_parts`` how many of them are of which, as far as headers of series say. ``seed`` makes the draw of a sample
    repeatable. ``learn``: rooms learn limits of their own from the images.
    """

    name: str
    sources: tuple[str, ...]
    is_archive: bool
    modalities: tuple[str, ...]
    since: date
    until: date
    body_part: str
    planned: int
    rooms: dict[str, int]
    body_parts: dict[str, int]
    seed: str
    model: str
    policy: str
    software: str
    learn: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(PROTOCOL_NAME, self.name):
            raise SettingsError(
                "{name}: a pilot's name has lower-case letters, digits and hyphens, at most 40.", name=f"{self.name!r}"
            )
        if self.until < self.since:
            raise SettingsError("The last day must not lie before the first.")
        if others := sorted(set(self.modalities) - PROJECTION_MODALITIES):
            raise SettingsError(
                "A pilot judges single radiographs ({known}), not {others}.",
                known=", ".join(sorted(PROJECTION_MODALITIES)),
                others=", ".join(others),
            )

    def counted(self, series: Sequence[CountedSeries]) -> tuple[PilotProtocol, dict[tuple[str, str], int]]:
        """The protocol with what the source has, and that by (study date, modality)."""
        days, rooms, parts = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
        for one in series:
            days[one.study_date, one.modality] += one.images
            rooms[one.room] += one.images
            parts[one.body_part] += one.images
        counted = replace(self, planned=days.total(), rooms=dict(rooms), body_parts=dict(parts))
        return counted, dict(sorted(days.items()))


def read_protocol(text: str) -> PilotProtocol:
    """The protocol read from its canonical JSON; SettingsError if the text is none."""
    try:
        values: dict[str, Any] = json.loads(text)
        values |= {name: date.fromisoformat(values[name]) for name in ("since", "until")}
        values |= {name: tuple(values[name]) for name in ("sources", "modalities")}
        return PilotProtocol(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError("This is not the protocol of a pilot.") from error
