"""One result object on its way to one destination."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

DeliveryId = NewType("DeliveryId", int)


class ResultKind(StrEnum):
    """The kinds of objects that the node makes."""

    SR = "SR"
    SEG = "SEG"
    KOS = "KOS"


class DeliveryState(StrEnum):
    """QUEUED until the destination answered success; COMMITTED once it promised to keep it (PS3.4 J)."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ResultObject:
    """One DICOM object that the node made; ``object_key`` finds its bytes, which never change."""

    sop_instance_uid: str
    sop_class_uid: str
    kind: ResultKind
    object_key: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object to one destination, and how it went so far."""

    delivery_id: DeliveryId
    destination: str
    result: ResultObject
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    last_error: str = ""
