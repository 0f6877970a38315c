"""Reject logs of modalities: exposures that were discarded there, and no image of which ever arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class LoggedReject:
    """One row of a log, without anything that names a patient.

    ``at`` is the hospital's local time, ``clock_error_s`` how far it may lie from the time in the image. ``reason`` is
    a word of TG-305's kind, ``code`` its code of CID 7011 and ``finding`` the finding of this node that it means, or
    empty. ``key`` is the same whenever the same row is read again.
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
    """One import. ``rejects`` are the rows that were new, ``known`` those that an earlier import had."""

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
    """What the imported logs of a room add to a reject rate.

    ``counted`` rejects are in the rate; ``images`` of them are also images of this node, counted once. ``outside``
    lie on days on which no image of the room arrived: nothing to divide by, so they are in no rate.
    """

    room: str
    since: date
    until: date
    counted: int
    images: int
    outside: int

    @property
    def words(self) -> str:
        """As reports and programs are told."""
        days = f"{self.since} to {self.until}" if self.until > self.since else f"{self.since}"
        text = f"imported reject log of {self.room or 'an unnamed room'}, {days}: {self.counted} rejects"
        text += f", {self.images} of them images of this node" if self.images else ""
        return text + (f"; {self.outside} more on days without images here are not counted" if self.outside else "")
