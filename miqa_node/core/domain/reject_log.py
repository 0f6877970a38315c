"""Reject logs of modalities: exposures discarded there, whose images never arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

MAX_LOG_BYTES = 16 << 20
"""Largest log that is read."""


@dataclass(frozen=True, slots=True)
class LoggedReject:
    """One row of a log, without patient data.

    ``at`` is the hospital's local time, ``clock_error_s`` its maximum difference from the time in the image. ``reason``
    is a word like those of TG-305, ``code`` its code of CID 7011 and ``finding`` the corresponding finding of this
    node, or empty. ``key`` is the same each time the same row is read.
    """

    key: str
    at: datetime
    clock_error_s: float
    modality: str
    room: str
    unit: str
    operator: str
    body_part: str
    view: str
    shift: str
    reason: str
    code: str
    finding: str
    exposure_index: float | None = None
    target_exposure_index: float | None = None
    deviation_index: float | None = None
    kvp: float | None = None
    mas: float | None = None


@dataclass(frozen=True, slots=True)
class RejectLog:
    """One import. ``rejects`` counts the new rows, ``known`` those from earlier imports."""

    log_id: int
    mapping: str
    imported_at: datetime
    imported_by: str
    rooms: tuple[str, ...]
    since: date
    until: date
    rejects: int
    known: int


@dataclass(frozen=True, slots=True)
class LogSource:
    """The contribution of a room's imported logs to a reject rate.

    ``counted`` rejects are in the rate; ``images`` of them are also images of this node, counted once. ``outside`` are
    on days without images of the room: there is no denominator, so they are in no rate.
    """

    room: str
    since: date
    until: date
    counted: int
    images: int
    outside: int

    @property
    def words(self) -> str:
        """The text for reports and programs."""
        days = f"{self.since} to {self.until}" if self.until > self.since else f"{self.since}"
        text = f"imported reject log of {self.room or 'an unnamed room'}, {days}: {self.counted} rejects"
        text += f", {self.images} of them images of this node" if self.images else ""
        return text + (f"; {self.outside} more on days without images here are not counted" if self.outside else "")
