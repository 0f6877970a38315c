"""The log as CSV: one line for each value of each scan, for spreadsheets and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from miqa_node.core.domain.spreadsheet import safe
from miqa_node.features.phantoms.history import LogScan, PhantomHistory

COLUMNS = (
    "acquired_at", "station", "manufacturer", "model", "serial_number", "modality", "protocol", "description",
    "phantom", "software", "coil", "tube", "name", "value", "unit", "baseline", "baseline_since", "level",
    "seen_by", "seen_at", "study_instance_uid", "series_instance_uid", "stack", "history", "reason",
)  # fmt: skip


def lines(histories: Iterable[PhantomHistory]) -> Iterator[str]:
    """Heads, then all values, with a decimal point; times are those of the scanner's clock, of signatures UTC.

    A value with a limit that could not be measured has no number, and a reason.
    """
    yield _line(COLUMNS)
    for history in histories:
        for index, scan in enumerate(history.scans):
            yield from _scan_lines(history, index, scan)


def _scan_lines(history: PhantomHistory, index: int, scan: LogScan) -> Iterator[str]:
    origin = scan.origin
    signatures = [(one.actor, one.at.isoformat()) for one in scan.signatures if not one.is_of_before]
    since = history.scans[history.start(index)].acquired_at.date().isoformat()
    for name, value in (*scan.numbers.items(), *dict.fromkeys(scan.missing).items()):
        baseline = history.baseline(name, index)
        yield _line((
            scan.acquired_at.isoformat(), origin.station, origin.manufacturer, origin.model, origin.serial_number,
            origin.modality, origin.protocol, origin.description, history.kind, origin.software, origin.coil,
            origin.tube, name, _number(value), history.units.get(name, ""), _number(baseline), since,
            history.level(name, index).value, *(signatures or [("", "")])[-1], scan.key.study_instance_uid,
            scan.key.series_instance_uid, str(scan.key.stack), history.history,
            scan.missing.get(name, ""),
        ))  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _line(values: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([value if _is_number(value) else safe(value) for value in values])
    return line.getvalue()


def _is_number(text: str) -> bool:
    """Negative numbers are no formulas."""
    try:
        float(text)
    except ValueError:
        return False
    return True
