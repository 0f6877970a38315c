"""Imports the reject log of a modality: first a preview with its faults, then all rows or none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from miqa_node.core.domain.reject_log import RejectLog
from miqa_node.core.settings import Settings
from miqa_node.core.settings.log_mapping import load_mapping, reasons
from miqa_node.errors import QueryError
from miqa_node.features.analysis.log_reader import LogFault, LogReading, read_log
from miqa_node.features.analysis.rows import reject_logs
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.rows.acquisition_rules import acquisition_rules


@dataclass(frozen=True, slots=True)
class RoomRejects:
    """Number of rejects of a log in a room; if the node has no images of the room, they are in no rate."""

    room: str
    rejects: int
    has_images: bool


@dataclass(frozen=True, slots=True)
class ReasonRejects:
    """Number of rejects of a log with a reason."""

    reason: str
    code: str
    finding: str
    rejects: int


@dataclass(frozen=True, slots=True)
class LogPreview:
    """The result of an import or its preview. With ``faults`` nothing is kept.

    ``rejects`` counts the rows of rejects, ``known`` those from an earlier import; ``columns`` are field and head of
    kept columns, ``dropped`` the heads of the others. ``log`` is None before the import, and if all rows were known.
    """

    mapping: str
    rejects: int
    known: int
    skipped: int
    since: date | None
    until: date | None
    rooms: tuple[RoomRejects, ...]
    reasons: tuple[ReasonRejects, ...]
    columns: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]
    other_words: tuple[tuple[str, int], ...]
    faults: tuple[LogFault, ...]
    log: RejectLog | None = None


def mapping_folder(settings: Settings) -> Path | None:
    """Folder of the site's own mappings."""
    return Path(settings.analysis.reject_log_mappings) if settings.analysis.reject_log_mappings else None


def read(settings: Settings, data: bytes, mapping: str, room: str = "") -> LogReading:
    """Read a log with the site's rules; ``room`` applies to all rows if the log names no rooms.

    Raises
    ------
    NotFoundError
        There is no mapping of that name.
    QueryError
        The file is not such a log.
    """
    chosen = load_mapping(mapping, mapping_folder(settings))
    local_now = datetime.now(settings.node.zone).replace(tzinfo=None)
    return read_log(data, mapping, chosen, acquisition_rules(settings), local_now, room)


def preview(transaction: Transaction, reading: LogReading) -> LogPreview:
    """The result that an import would have; nothing is kept."""
    return _preview(transaction, reading, reject_logs.known(transaction, reading.rejects), None)


def keep(transaction: Transaction, reading: LogReading, actor: str) -> LogPreview:
    """Keep a log.

    Raises
    ------
    QueryError
        A row cannot be read, or there are no rejects; nothing is kept.
    """
    if reading.faults:
        lines = "; ".join(f"line {fault.line}: {fault.text}" for fault in reading.faults[:5])
        raise QueryError("Nothing was imported, because rows cannot be understood: {lines}.", lines=lines)
    if not reading.rejects:
        raise QueryError("Nothing was imported, because the log has no rejects.")
    log = reject_logs.keep(transaction, reading.rejects, reading.mapping, actor, datetime.now(UTC))
    return _preview(transaction, reading, log.known if log else len(reading.rejects), log)


def _preview(transaction: Transaction, reading: LogReading, duplicates: int, log: RejectLog | None) -> LogPreview:
    days = [one.at.date() for one in reading.rejects]
    rooms = Counter(one.room for one in reading.rejects)
    with_images = reject_logs.rooms_with_images(transaction, list(rooms))
    words = Counter(one.reason for one in reading.rejects)
    return LogPreview(
        reading.mapping,
        len(reading.rejects),
        duplicates,
        reading.skipped,
        min(days, default=None),
        max(days, default=None),
        tuple(RoomRejects(room, count, room in with_images) for room, count in sorted(rooms.items())),
        tuple(
            ReasonRejects(name, reasons()[name].code, reasons()[name].finding, count)
            for name, count in words.most_common()
        ),
        reading.columns,
        reading.dropped,
        reading.other_words,
        reading.faults,
        log,
    )
