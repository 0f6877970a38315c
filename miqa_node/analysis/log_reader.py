"""Reads the reject log of a modality: all rows or none, and nothing that names a patient."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from miqa_node.domain.acquisition import AcquisitionRules
from miqa_node.domain.reject_log import LoggedReject
from miqa_node.errors import QueryError
from miqa_node.settings.log_mapping import OTHER, LogMapping, plain, reasons

MAX_BYTES = 16 << 20
MAX_ROWS = 100_000
MAX_CELL = 64
"""Characters of a place, a body part or a view; a longer one is a bad row."""
MOST_FAULTS = 100
HEAD_WITHIN = 30
"""Lines in which the heads of the columns must appear; above them exports write titles."""
MINUTE_S = 60.0
"""Clock error of a log whose times have no seconds."""
NUMBERS = ("exposure_index", "target_exposure_index", "deviation_index", "kvp", "mas")
PLACES = ("room", "unit", "operator", "body_part", "view")


@dataclass(frozen=True, slots=True)
class LogFault:
    """A row that cannot be understood, by its line in the file, the first being 1."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class LogReading:
    """What a log says. With ``faults`` nothing of it may be kept.

    ``columns`` are field and head of what was read, ``dropped`` the heads of columns that were not; ``other_words``
    counts reasons that nobody knows and that therefore count as "other"; ``skipped`` are rows of accepted exposures.
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
    """Read a log by a mapping; ``room`` is that of all its rows, ``now`` the hospital's local time.

    Raises
    ------
    QueryError
        It is no table with the columns that the mapping names, or larger than the limits.
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


class RowError(ValueError):
    """A row that cannot be understood; the text says why."""


class _RowReader:
    def __init__(self, mapping: LogMapping, rules: AcquisitionRules, now: datetime, room: str) -> None:
        self._mapping, self._rules, self._now, self._room = mapping, rules, now, room.strip()
        self.other_words: Counter[str] = Counter()
        self.skipped = 0

    def read(self, cells: Mapping[str, str]) -> LoggedReject | None:
        """The reject of a row, or None for an accepted exposure; RowError says what is wrong with it."""
        status_words = {plain(word) for word in self._mapping.only.get("status", ())}
        if "status" in cells and status_words and plain(cells["status"]) not in status_words:
            self.skipped += 1
            return None
        at, error_s = self._time(cells)
        for field in PLACES:
            if len(cells.get(field, "")) > MAX_CELL:
                words = field.replace("_", " ")
                raise RowError(f"{words} is longer than {MAX_CELL} characters")
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
        # Not the reason and not the person: a better mapping, or another key of pseudonyms, makes no new exposure.
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
            if at > self._now + timedelta(days=1):
                raise RowError(f"{text!r} lies in the future")
            return at, self._mapping.clock_error_s if "%S" in form else max(MINUTE_S, self._mapping.clock_error_s)
        raise RowError(f"{text[:MAX_CELL]!r} is no date and time of the form {self._mapping.time_formats[0]}")

    def _number(self, field: str, text: str) -> float | None:
        if not text or text in ("-", "–", "n/a", "N/A"):
            return None
        words = field.replace("_", " ")
        plain_text = text.replace("\u00a0", "").replace(" ", "")
        if self._mapping.decimal == ",":
            plain_text = plain_text.replace(".", "").replace(",", ".")
        try:
            value = float(plain_text)
        except ValueError:
            raise RowError(f"{words} {text[:16]!r} is no number") from None
        if not -1e9 < value < 1e9:
            raise RowError(f"{words} {text[:16]!r} is no number")
        return value


def _rows(data: bytes) -> list[tuple[int, list[str]]]:
    """Line and cells of each row, whatever separates them."""
    if len(data) > MAX_BYTES:
        raise QueryError(f"The log is larger than {MAX_BYTES >> 20} MiB. Export fewer days.")
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
                raise QueryError(f"The log has more than {MAX_ROWS} rows. Export fewer days.")
    except csv.Error as error:
        raise QueryError(f"Line {line} cannot be read as CSV: {error}.") from error
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
        return data.decode("cp1252", "replace")  # consoles run Windows


def _heads(rows: Sequence[tuple[int, list[str]]], mapping: LogMapping) -> tuple[dict[str, int], int, list[str]]:
    """Columns of the fields, the index of the first row below the heads, and all heads."""
    for index, (_line, cells) in enumerate(rows[:HEAD_WITHIN]):
        places = _places([plain(cell) for cell in cells], mapping)
        if "reason" in places and ("time" in places or "date" in places):
            return places, index + 1, cells
    heads = " / ".join(mapping.columns["reason"])
    raise QueryError(
        f"No line has the columns of this mapping: a time, and one called {heads}. Choose another mapping."
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
    """Equal rows of one log are as many exposures; the same log read again has as many."""
    counts: Counter[str] = Counter()
    for reject in rejects:
        counts[reject.key] += 1
        yield replace(reject, key=hashlib.sha256(f"{reject.key} {counts[reject.key]}".encode()).hexdigest())
