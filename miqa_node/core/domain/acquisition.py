"""One exposure as counted by the analysis: what, where and when it was, without the patient's name."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance

KEY_CHARACTERS = 16
"""64 bits of the keyed hash: the probability that any two of a million patients share one is 3e-8."""

CLOCK_DIFFERENCE = timedelta(days=1)
"""By how much a scanner's time may be ahead, with its time zone. Beyond that its clock is wrong, since no image arrives
before it is made, and the time of arrival counts: the analysis shows the days up to the newest exposure."""
TOLERANCE = timedelta(minutes=5)
"""By how much a scanner's clock may be ahead in :func:`likely_moments`."""
USUAL_WAY = timedelta(hours=1)
"""Images usually arrive within this time."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """``acquired_at`` is the hospital's local time, without a zone; ``room`` and ``shift`` follow the site's rules.

    ``moments`` are the same in UTC: two if it is not known which of the two hours it is that the end of summer time
    makes one of.
    """

    acquired_at: datetime
    moments: tuple[datetime, ...]
    patient_key: str
    room: str
    shift: str
    archived: bool


@dataclass(frozen=True, slots=True)
class AcquisitionRules:
    """A site's rules for names of rooms and shifts, for people's names, and for drawing samples.

    ``rooms`` maps station names or calling AE titles to rooms, ``shifts`` names to the time of day when each begins.
    ``archive_ae_titles`` are the senders whose images have reached the PACS; without any, all have.
    Whoever has ``key`` can find out which pseudonym belongs to a known name. ``zone`` is the hospital's time zone; None
    is the system's.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    rooms: Mapping[str, str] = field(default_factory=dict)
    shifts: Mapping[str, time] = field(default_factory=dict)
    repeat_window_s: float = 900.0
    show_operators: bool = False
    archive_ae_titles: tuple[str, ...] = ()
    audit_share: float = 0.0
    zone: ZoneInfo | None = None

    def operator(self, name: str) -> str:
        """The operator's name or pseudonym; empty if the header has none."""
        plain = " ".join(name.replace("^", " ").split())
        if self.show_operators or not plain:
            return plain
        return f"op-{self._hash('operator', plain.casefold())[:8]}"

    def patient_key(self, patient: str) -> str:
        """A pseudonym of the text of a patient's key."""
        return self._hash("patient", patient)[:KEY_CHARACTERS]

    def describe(self, instance: StoredInstance, patient: str) -> Acquisition:
        """The exposure; ``patient`` is the text of the patient's key (:meth:`PatientKey.text`)."""
        header = instance.header
        at, moments = self._time(instance)
        station, sender = header.station_name, instance.calling_ae_title
        named = self.rooms.get(station) or self.rooms.get(sender) or header.performed_location
        return Acquisition(
            acquired_at=at,
            moments=moments,
            patient_key=self.patient_key(patient),
            room=named or station or sender,
            shift=self.shift(at.time()),
            archived=not self.archive_ae_titles or sender in self.archive_ae_titles,
        )

    def _time(self, instance: StoredInstance) -> tuple[datetime, tuple[datetime, ...]]:
        """When it was made, on the hospital's clock and in UTC."""
        header, arrived_at = instance.header, instance.received_at
        received_at = local_time(arrived_at, self.zone)
        at = header.acquired_at
        if at is not None and header.utc_offset_s is not None:
            moment = at.replace(tzinfo=timezone(timedelta(seconds=header.utc_offset_s))).astimezone(UTC)
            if moment <= arrived_at + CLOCK_DIFFERENCE:
                return local_time(moment, self.zone), (moment,)
        elif at is not None and at <= received_at + CLOCK_DIFFERENCE:
            return at, likely_moments(at, self.zone, arrived_at)
        return received_at, (arrived_at.astimezone(UTC),)

    def shift(self, at: time) -> str:
        """The shift at a time of day; the last shift continues after midnight."""
        shift_names = [name for name, start in sorted(self.shifts.items(), key=lambda item: item[1]) if start <= at]
        if shift_names:
            return shift_names[-1]
        return max(self.shifts, key=lambda name: self.shifts[name]) if self.shifts else ""

    def audits(self, digest: InstanceDigest) -> bool:
        """Whether an accepted image is drawn for a spot check; unpredictable without the key."""
        return int(self._hash("audit", digest)[:16], 16) / 2.0**64 < self.audit_share

    def _hash(self, purpose: str, text: str) -> str:
        return hmac.new(self.key, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()


def local_time(moment: datetime, zone: ZoneInfo | None) -> datetime:
    """What the hospital's clock shows at a moment, without a zone; ``zone`` None is the system's."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def moments(at: datetime, zone: ZoneInfo | None) -> tuple[datetime, ...]:
    """When the hospital's clock shows ``at``: one moment in UTC, or two in the repeated hour, the earlier one first.

    >>> [f"{moment:%H:%M}" for moment in moments(datetime(2026, 10, 25, 2, 30), ZoneInfo("Europe/Berlin"))]
    ['00:30', '01:30']
    """
    first, second = (_moment(at.replace(fold=fold), zone) for fold in (0, 1))
    return (first, second) if second > first else (first,)  # in the hour that is left out, the second is earlier


def likely_moments(at: datetime, zone: ZoneInfo | None, arrived_at: datetime) -> tuple[datetime, ...]:
    """The same for an image, without what its arrival excludes: none arrives before it is made, and most soon after."""
    both = moments(at, zone)
    if len(both) == 1:
        return both
    first, second = both
    if second > arrived_at + TOLERANCE:
        return (first,)
    return (second,) if arrived_at - second < USUAL_WAY else both


def _moment(at: datetime, zone: ZoneInfo | None) -> datetime:
    return (at.astimezone() if zone is None else at.replace(tzinfo=zone)).astimezone(UTC)
