"""Reads the reject log of a modality: all rows or none, and no patient data."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from miqa_node.core.domain.acquisition import CLOCK_DIFFERENCE, AcquisitionRules
from miqa_node.core.domain.calendar import FIRST_DAY
from miqa_node.core.domain.reject_log import MAX_LOG_BYTES, LoggedReject
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings.log_mapping import OTHER, LogMapping, plain, reasons
from miqa_node.errors import MiqaError, QueryError

MAX_ROWS = 100_000
MAX_CELL = 64
"""Maximum length of a place, a body part or a view; a longer value is a fault."""
MOST_FAULTS = 100
HEAD_WITHIN = 30
"""Number of first lines that must contain the column heads; exports may write titles above them."""
MINUTE_S = 60.0
"""Clock tolerance for a log whose times have no seconds."""
NUMBERS = ("exposure_index", "target_exposure_index", "deviation_index", "kvp", "mas")
PLACES = ("room", "unit", "operator", "body_part", "view")


@dataclass(frozen=True, slots=True)
class LogFault:
    """A row that cannot be read, by its line number in the file, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class LogReading:
    """The content of a log. With ``faults`` nothing of it may be kept.

    ``columns`` are field and head of the columns read, ``dropped`` the heads of the others; ``other_words`` counts
    unknown reasons, which count as "other"; ``skipped`` are rows of accepted exposures.
    """

    mapping: str
    rejects: tuple[LoggedReject, ...]
    faults: tuple[LogFault, ...]
    columns: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]
    other_words: tuple[tuple[str, int], ...]
    skipped: int


def read_log(
    data: bytes, name: str, mapping: LogMapping, rules: AcquisitionRules, now: datetime, room: str = ""
) -> LogReading:
    """Read a log with a mapping; ``room`` applies to all rows, ``now`` is the hospital's local time.

    Raises
    ------
    QueryError
        The log is not a table with the mapping's columns, or exceeds the limits.
    """
    table = _rows(data)
    places, line, heads = _heads(table, mapping)
    reader = _RowReader(mapping, rules, now, room)
    rejects: list[LoggedReject] = []
    faults: list[LogFault] = []
    ends = {plain(word) for word in mapping.end}
    for number, cells in table[line:]:
        if not any(cells):
            continue
        if plain(cells[0]) in ends and ends:
            break
        try:
            reject = reader.read({field: cells[at].strip() if at < len(cells) else "" for field, at in places.items()})
        except RowError as error:
            faults.append(LogFault(number, str(error)))
            continue
        if reject is not None:
            rejects.append(reject)
    columns = set(places.values())
    return LogReading(
        name,
        tuple(_numbered(rejects)),
        tuple(faults[:MOST_FAULTS]),
        tuple((field, heads[at]) for field, at in places.items()),
        tuple(head for at, head in enumerate(heads) if at not in columns and head),
        tuple(reader.other_words.most_common()),
        reader.skipped,
    )


class RowError(MiqaError):
    """A row that cannot be read; the message says why."""


class _RowReader:
    def __init__(self, mapping: LogMapping, rules: AcquisitionRules, now: datetime, room: str) -> None:
        self._mapping, self._rules, self._now, self._room = mapping, rules, now, room.strip()
        self.other_words: Counter[str] = Counter()
        self.skipped = 0

    def read(self, cells: Mapping[str, str]) -> LoggedReject | None:
        """The reject of a row, or None for an accepted exposure; RowError describes the fault."""
        status_words = {plain(word) for word in self._mapping.only.get("status", ())}
        if "status" in cells and status_words and plain(cells["status"]) not in status_words:
            self.skipped += 1
            return None
        at, error_s = self._time(cells)
        for field in PLACES:
            if len(cells.get(field, "")) > MAX_CELL:
                words = Phrase(field.replace("_", " "))
                raise RowError("{words} is longer than {max_cell} characters", words=words, max_cell=MAX_CELL)
        numbers = {field: self._number(field, cells.get(field, "")) for field in NUMBERS}
        text = cells["reason"]
        reason = self._mapping.reason(text)
        if not reason:
            self.other_words[text[:MAX_CELL]] += 1
            reason = OTHER
        entry, unit = reasons()[reason], cells.get("unit", "")
        named = self._room or self._rules.rooms.get(unit) or cells.get("room", "") or unit
        if not named:
            raise RowError("neither a room nor a unit is given; say whose log it is")
        # Neither reason nor person: a better mapping, or another key of pseudonyms, must not make a new exposure.
        identity = (at.isoformat(), named, unit, *(cells.get(field, "") for field in ("body_part", "view", *NUMBERS)))
        return LoggedReject(
            key=hashlib.sha256("\0".join(identity).encode()).hexdigest(),
            at=at,
            clock_error_s=error_s,
            modality=self._mapping.modality,
            room=named,
            unit=unit,
            operator=self._rules.operator(cells.get("operator", "")),
            body_part=self._mapping.body_part(cells.get("body_part", "")),
            view=self._mapping.view(cells.get("view", "")),
            shift=self._rules.shift(at.time()),
            reason=reason,
            code=entry.code,
            finding=entry.finding,
            **numbers,
        )

    def _time(self, cells: Mapping[str, str]) -> tuple[datetime, float]:
        text = cells.get("time") or f"{cells.get('date', '')} {cells.get('clock', '')}".strip()
        if not text:
            raise RowError("no date and time")
        for form in self._mapping.time_formats:
            try:
                at = datetime.strptime(text, form)  # noqa: DTZ007 - the hospital's local time
            except ValueError:
                continue
            if at.tzinfo is not None:
                at = at.astimezone(self._rules.zone).replace(tzinfo=None)
            if at > self._now + CLOCK_DIFFERENCE:
                raise RowError("{text} lies in the future", text=f"{text!r}")
            if at.date() < FIRST_DAY:
                raise RowError("{text} lies before {first_day}", text=f"{text!r}", first_day=FIRST_DAY)
            return at, self._mapping.clock_error_s if "%S" in form else max(MINUTE_S, self._mapping.clock_error_s)
        raise RowError(
            "{text} is no date and time of the form {time_formats}",
            text=f"{text[:MAX_CELL]!r}",
            time_formats=self._mapping.time_formats[0],
        )

    def _number(self, field: str, text: str) -> float | None:
        if not text or text in ("-", "–", "n/a", "N/A"):
            return None
        words = Phrase(field.replace("_", " "))
        plain_text = text.replace("\u00a0", "").replace(" ", "")
        if self._mapping.decimal == ",":
            plain_text = plain_text.replace(".", "").replace(",", ".")
        try:
            value = float(plain_text)
        except ValueError:
            raise RowError("{words} {text} is no number", words=words, text=f"{text[:16]!r}") from None
        if not -1e9 < value < 1e9:
            raise RowError("{words} {text} is no number", words=words, text=f"{text[:16]!r}")
        return value


def _rows(data: bytes) -> list[tuple[int, list[str]]]:
    """Line number and cells of each row, for any separator."""
    if len(data) > MAX_LOG_BYTES:
        raise QueryError("The log is larger than {max_bytes} MiB. Export fewer days.", max_bytes=MAX_LOG_BYTES >> 20)
    text = _text(data)
    if "\0" in text:
        raise QueryError("This is no text file. Export the log as CSV.")
    start = text[:20_000]
    delimiter = max(";\t,", key=start.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            rows.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
            if len(rows) > MAX_ROWS:
                raise QueryError("The log has more than {max_rows} rows. Export fewer days.", max_rows=MAX_ROWS)
    except csv.Error as error:
        raise QueryError("Line {line} cannot be read as CSV: {error}.", line=line, error=error) from error
    return rows


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise QueryError("This is no text file. Export the log as CSV.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")  # Windows consoles write this encoding
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise QueryError(
            "Line {line} has bytes that are neither UTF-8 nor Windows-1252 text. Export the log in UTF-8.", line=line
        ) from error


def _heads(rows: Sequence[tuple[int, list[str]]], mapping: LogMapping) -> tuple[dict[str, int], int, list[str]]:
    """Columns of the fields, the index of the first row below the heads, and all heads."""
    for index, (_line, cells) in enumerate(rows[:HEAD_WITHIN]):
        places = _places([plain(cell) for cell in cells], mapping)
        if "reason" in places and ("time" in places or "date" in places):
            return places, index + 1, cells
    heads = " / ".join(mapping.columns["reason"])
    raise QueryError(
        "No line has the columns of this mapping: a time, and one called {heads}. Choose another mapping.", heads=heads
    )


def _places(heads: Sequence[str], mapping: LogMapping) -> dict[str, int]:
    places: dict[str, int] = {}
    for field, names in mapping.columns.items():
        at = next((heads.index(plain(name)) for name in names if plain(name) in heads), None)
        if at is not None and at not in places.values():
            places[field] = at
    if "time" in places:
        places = {field: at for field, at in places.items() if field not in ("date", "clock")}
    return places


def _numbered(rejects: Sequence[LoggedReject]) -> Iterator[LoggedReject]:
    """Number equal rows: each counts as one exposure, and reading the same log again gives the same keys."""
    counts: Counter[str] = Counter()
    for reject in rejects:
        counts[reject.key] += 1
        yield replace(reject, key=hashlib.sha256(f"{reject.key} {counts[reject.key]}".encode()).hexdigest())
