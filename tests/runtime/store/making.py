"""Makes rows for tests of the store."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from miqa_node.core.domain.instance import (
    Header,
    InstanceDigest,
    ReceivedObject,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
    StudyRecord,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def header(number: int, study: int = 1, **values: Any) -> Header:
    """A chest radiograph's header; the numbers make its UIDs."""
    chest = {
        "modality": "CR",
        "body_part_examined": "CHEST",
        "view_position": "PA",
        "station_name": "ROOM1",
    }
    return Header(
        "1.2.840.10008.5.1.4.1.1.1",
        SopInstanceUid(f"1.2.3.{number}"),
        SeriesInstanceUid(f"1.2.4.{study}"),
        StudyInstanceUid(f"1.2.5.{study}"),
        "1.2.840.10008.1.2.1",
        **(chest | values),
    )


def study(number: int = 1) -> StudyRecord:
    """The record of a study."""
    return StudyRecord(StudyInstanceUid(f"1.2.5.{number}"), f"ACC{number}", f"ID{number}", "Doe^Jane", "20260102", "")


def digest(text: object) -> InstanceDigest:
    """A digest that looks like one."""
    return InstanceDigest(hashlib.sha256(str(text).encode()).hexdigest())


def received(of: InstanceDigest, at: datetime = NOW) -> ReceivedObject:
    """How an instance arrived."""
    return ReceivedObject("unused", of, 100, "MODALITY", "MIQA", "127.0.0.1", at)
