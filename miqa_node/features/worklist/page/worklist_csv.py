"""The worklist as CSV: one row per study, with decisions and comments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from fastapi.responses import StreamingResponse

from miqa_node.core.domain.spreadsheet import csv_lines
from miqa_node.core.domain.worklist import WorklistItem
from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.features.worklist.rows import worklist
from miqa_node.features.worklist.rows.worklist import WorklistOrder
from miqa_node.interfaces.web.services import WebServices

COLUMNS = (
    "flagged_at", "verdict", "state", "claimed_by", "resolution", "resolved_by", "resolved_at", "comment",
    "accession_number", "patient_id", "study_date", "kinds", "stations", "reasons", "comments", "study_instance_uid",
    "authority",
)  # fmt: skip
ROWS_AT_ONCE = 500


def worklist_csv(services: WebServices, criteria: WorklistFilter, order: WorklistOrder, day: date) -> StreamingResponse:
    """All studies that match, as a file to download; times are UTC."""
    headers = {"content-disposition": f'attachment; filename="worklist-{day:%Y%m%d}.csv"'}
    lines = _lines(services, criteria, order)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def _lines(services: WebServices, criteria: WorklistFilter, order: WorklistOrder) -> Iterator[str]:
    """Read in batches, so that a slow client does not keep a transaction open."""
    yield from csv_lines([COLUMNS])
    place = None
    while True:
        with services.database.begin() as transaction:
            items = worklist.page(transaction, criteria, limit=ROWS_AT_ONCE, order=order, after=place)
        yield from csv_lines(map(_row, items))
        if len(items) < ROWS_AT_ONCE:
            return
        place = worklist.place_of(items[-1])


def _row(item: WorklistItem) -> tuple[str, ...]:
    kinds = (" ".join(filter(None, (image.modality, image.body_part, image.view))) for image in item.images)
    comments = (f"{one.at.isoformat()} {one.actor}: {one.text}" for one in item.comments)
    return (
        item.flagged_at.isoformat(),
        item.verdict.value,
        item.state.value,
        item.claimed_by,
        item.outcome,
        item.resolved_by,
        item.resolved_at.isoformat() if item.resolved_at else "",
        item.comment,
        item.accession_number,
        "; ".join(one.patient_id for one in item.patients),
        item.study_date,
        "; ".join(dict.fromkeys(kinds)),
        "; ".join(dict.fromkeys(image.station for image in item.images)),
        "; ".join(dict.fromkeys(reason for image in item.images for reason in image.reasons)),
        "\n".join(comments),
        item.study_instance_uid,
        "; ".join(one.authority or "" for one in item.patients) if any(one.authority for one in item.patients) else "",
    )
