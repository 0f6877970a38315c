"""Images of a pilot are counted once, whatever is listed twice, and go with their patient."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from miqa_node.core.domain.patient import PatientKey
from miqa_node.errors import ConflictError, SettingsError
from miqa_node.features.pilot.progress import Outcome
from miqa_node.features.pilot.protocol import PilotProtocol, read_protocol
from miqa_node.features.pilot.rows import images, pilots
from miqa_node.features.pilot.rows.images import FoundImage
from miqa_node.runtime.store.database import Database

NOW = datetime.now(UTC)


def protocol(**changes: object) -> PilotProtocol:
    values = {
        "name": "october", "sources": ("PACS",), "is_archive": True, "modalities": ("DX",), "since": date(2026, 10, 1),
        "until": date(2026, 10, 31), "body_part": "", "planned": 3, "rooms": {}, "body_parts": {}, "seed": "0",
        "model": "", "policy": "1", "software": "0",
    }  # fmt: skip
    return PilotProtocol(**{**values, **changes})  # type: ignore[arg-type]


def found(number: int, patient: str = "1") -> FoundImage:
    return FoundImage("1.1", "1.2", f"1.3.{number}", "1.4", "DX", "20261001", PatientKey(patient))


def test_the_protocol_is_read_back_as_it_was() -> None:
    assert read_protocol(protocol().text) == protocol()
    assert protocol().sha256 != protocol(body_part="CHEST").sha256


@pytest.mark.parametrize("wrong", [{"name": "Oct"}, {"until": date(2026, 9, 1)}, {"modalities": ("CT",)}])
def test_a_protocol_that_cannot_be_followed_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        protocol(**wrong)


def test_what_is_listed_twice_counts_once(database: Database) -> None:
    with database.begin() as transaction:
        pilots.plan(transaction, protocol(), {("20261001", "DX"): 3}, "anna", NOW)
        with pytest.raises(ConflictError):
            pilots.plan(transaction, protocol(), {}, "anna", NOW)
        assert images.add(transaction, "october", [found(1), found(2), found(2)]) == {"DX": 2}
        pilots.note_found(transaction, "october", "20261001", {"DX": 2})
        pilots.note_found(transaction, "october", "20261002", {})
        assert pilots.listed_days(transaction, "october") == {"20261001", "20261002"}
        [(first, _), (second, _)] = images.waiting(transaction, "october", None, 10)
        for _ in range(images.MOST_ATTEMPTS):
            images.fail(transaction, first, "0xA700")
        assert [number for number, _ in images.waiting(transaction, "october", None, 10)] == [second]
        counts = pilots.counts(transaction, "october")
    assert (counts.planned, counts.found, counts.failed, counts.waiting, counts.erased) == (3, 2, 1, 1, 0)


def test_each_image_has_a_row_for_the_report(database: Database) -> None:
    with database.begin() as transaction:
        pilots.plan(transaction, protocol(), {}, "anna", NOW)
        images.add(transaction, "october", [found(1)])
        [(number, _)] = images.waiting(transaction, "october", None, 10)
        images.refuse(transaction, number, "no image", NOW)
        [row] = images.select(transaction, "october")
    assert (row.outcome, row.unassessed, row.stratum) == (Outcome.JUDGED, "no image", "")
