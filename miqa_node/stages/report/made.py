"""The products of the report stage (complete DICOM files) and their settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Self
from zoneinfo import ZoneInfo

from miqa_node import __version__
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.settings import Settings
from miqa_node.core.words.voice import voice
from miqa_node.dicom.pixels.encode import FrameEncoder, encode_frame


@dataclass(frozen=True, slots=True)
class MadeObject:
    """One result object; ``data`` is the complete file (PS3.10), ready for any destination."""

    kind: ResultKind
    sop_class_uid: str
    sop_instance_uid: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """A site's choices about the objects.

    ``node_name`` is the Device Serial Number, from which the UID of the observing device (TID 1004) follows.
    ``saliency_threshold`` is the share, in (0, 1), of a map's peak above which a pixel belongs to a finding's segment.
    ``nominal_geometry`` gives segmentations of projection radiographs, which have no frame of reference, a
    nominal orientation and spacing: without them, viewers such as OHIF show nothing.
    ``encode`` compresses pixels in the process that makes the objects.
    ``zone`` is the time zone of sources that name none; None is the system's.
    ``version`` is that of the node that makes, or made, an object.
    ``language`` is that of the narrative, see :func:`miqa_node.core.words.voice.languages`.
    """

    node_name: str = "miqa-node"
    saliency_threshold: float = 0.5
    nominal_geometry: bool = True
    language: str = "en"
    zone: tzinfo | None = None
    version: str = __version__
    encode: FrameEncoder = field(default=encode_frame, repr=False, compare=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The choices in a site's settings; SettingsError for a language without a catalogue."""
        language = voice(settings.node.language).language
        threshold = settings.assess.saliency_threshold
        return cls(settings.node.name, threshold, language=language, zone=settings.node.zone)

    def kept(self) -> dict[str, str]:
        """What is kept with an object: what its bytes follow from beside the judgement."""
        return {
            "node": self.node_name,
            "language": self.language,
            "zone": zone_name(self.zone),
            "version": self.version,
            "saliency_threshold": repr(self.saliency_threshold),
        }

    def as_kept(self, record: Mapping[str, Any] | None) -> Self:
        """The same as they were when an object was made; as they are if that was not kept."""
        if not record:
            return self
        return replace(
            self,
            node_name=record["node"],
            language=record["language"],
            zone=zone_named(record["zone"]),
            version=record["version"],
            saliency_threshold=float(record.get("saliency_threshold", self.saliency_threshold)),
        )


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """The content of a report about a subject, and its settings; ``kinds`` has all kinds of objects being made."""

    assessment: Assessment
    disposition: Disposition
    settings: ReportSettings
    kinds: frozenset[ResultKind]


def zone_name(zone: tzinfo | None) -> str:
    """The key of a zone, or of the system's if None; if nothing names that one, its offset of now in seconds."""
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    named = _system_zone() if zone is None else None
    offset = datetime.now(UTC).astimezone(zone).utcoffset() or timedelta()
    return named or f"{offset.total_seconds():+.0f}"


def zone_named(name: str) -> tzinfo | None:
    """The zone of a name; None, the system's, if it is empty.

    >>> zone_named("+3600"), zone_named("Europe/Berlin")
    (datetime.timezone(datetime.timedelta(seconds=3600)), zoneinfo.ZoneInfo(key='Europe/Berlin'))
    """
    if name[:1] in ("+", "-"):
        return timezone(timedelta(seconds=int(name)))
    return ZoneInfo(name) if name else None


def _system_zone() -> str | None:
    """What ``TZ`` or the link of the system names; None for a rule, or a file that names nothing, as in containers."""
    name = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    try:
        return ZoneInfo(name).key if name else None
    except (KeyError, OSError, ValueError):  # KeyError: there is no zone of that name
        return None
