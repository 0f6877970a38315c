"""Imports the reject log of a modality: first what was understood and what was not, then all of it or nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from miqa_node.analysis.log_reader import LogFault, LogReading, read_log
from miqa_node.domain.reject_log import RejectLog
from miqa_node.errors import QueryError
from miqa_node.settings import Settings
from miqa_node.settings.log_mapping import load_mapping, reasons
from miqa_node.store import reject_logs
from miqa_node.store.acquisition_rules import acquisition_rules
from miqa_node.store.database import Transaction


@dataclass(frozen=True, slots=True)
class RoomRejects:
    """How many rejects of a log are of a room; without images of it in this node they are in no rate."""

    room: str
    rejects: int
    has_images: bool


@dataclass(frozen=True, slots=True)
class ReasonRejects:
    """How many rejects of a log have a reason."""

    reason: str
    code: str
    finding: str
    rejects: int


@dataclass(frozen=True, slots=True)
class LogPreview:
    """What an import keeps, or kept. With ``faults`` it keeps nothing.

    ``rejects`` are the rows of rejects, ``known`` those that an earlier import has; ``columns`` are field and head of
    what is kept, ``dropped`` the heads of what is not. ``log`` is None before the import, and if all rows were known.
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
    """Where the site keeps its own mappings."""
    return Path(settings.analysis.reject_log_mappings) if settings.analysis.reject_log_mappings else None


def read(settings: Settings, data: bytes, mapping: str, room: str = "") -> LogReading:
    """A log as the site's rules say; ``room`` is that of all its rows where it names none.

    Raises
    ------
    NotFoundError
        There is no mapping of that name.
    QueryError
        The file is no such log.
    """
    chosen = load_mapping(mapping, mapping_folder(settings))
    local_now = datetime.now().astimezone().replace(tzinfo=None)
    return read_log(data, mapping, chosen, acquisition_rules(settings), local_now, room)


def preview(transaction: Transaction, reading: LogReading) -> LogPreview:
    """What an import would keep; nothing is."""
    return _preview(transaction, reading, reject_logs.known(transaction, reading.rejects), None)


def keep(transaction: Transaction, reading: LogReading, actor: str) -> LogPreview:
    """Keep a log.

    Raises
    ------
    QueryError
        It has a row that cannot be understood, or no reject at all; nothing is kept.
    """
    if reading.faults:
        lines = "; ".join(f"line {fault.line}: {fault.text}" for fault in reading.faults[:5])
        raise QueryError(f"Nothing was imported, because rows cannot be understood: {lines}.")
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
