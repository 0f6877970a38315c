"""Statements in many forms, in an outbox and by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from miqa_hl7.oru import OruConfig
from miqa_hl7.statement import (
    ASSESSMENT,
    COMMENT,
    DECISION,
    FINDING,
    FINDING_REASON,
    PERSON,
    PROJECTS_OVER,
    SIDE,
    Item,
    Statement,
    Subject,
    dump_statement,
)
from miqa_hl7.template import DEFAULT, Template, read_template
from miqa_node.api import Code
from miqa_node.core.domain.delivery import EventNotice
from miqa_node.core.settings import DeliverSettings
from miqa_node.runtime.store.database import Database, insert_or_ignore
from miqa_node.runtime.store.tables import events
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.base import DestinationConfig, DestinationKind
from miqa_node.stages.deliver.lanes import Lanes
from miqa_node.stages.deliver.result import RESULT
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox

AT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
TEMPLATE: Template = read_template(DEFAULT)
LUNG, LEFT = Code("39607008", "SCT", "Lung"), Code("7771000", "SCT", "Left")


def subject(**more: Any) -> Subject:
    values: dict[str, Any] = {
        "patient_id": "PAT1001", "authority": "NORTH", "patient_name": "Doe^Jane^^Dr", "patient_birth_date": "19700101",
        "accession_number": "ACC4711", "study_instance_uid": "1.2.3", "study_date": "20260131",
        "study_description": "Chest", "series_instance_uid": "1.2.3.4", "sop_instance_uid": "1.2.3.4.5",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1", "modality": "DX", "body_part": "CHEST", "is_series": False,
    }  # fmt: skip
    return Subject(**(values | more))


def number(value: float, name: str = "P_FOREIGN", unit: str = "%", words: str = "Sicherheit") -> Item:
    return Item(Code(name, "99MIQA", name.title()), value, words, unit)


def statement(number_of: int = 1, decision: Sequence[Item] = (), **more: Any) -> Statement:
    chain = Item(
        FINDING, Code("FOREIGN", "99MIQA", "Foreign object"), "Kette",
        parts=(number(93.25), Item(PROJECTS_OVER, LUNG, parts=(Item(SIDE, LEFT),))),
    )  # fmt: skip
    unusable = Code("111235", "DCM", "Unusable - Quality renders image unusable")
    items = (
        Item(ASSESSMENT, unusable, "Verworfen"), number(41.5, "RATING", "{0:100}"),
        Item(FINDING_REASON, Code("111210", "DCM", "Motion blur"), "Blurred | by ^ motion"), number(1e-7, "TINY", "mm"),
        replace(number(7.0, "OTHER"), is_reason=False), *decision,
    )  # fmt: skip
    one = Statement(
        f"R{number_of:019d}", "preliminary", AT, "node", "site", "en", subject(), "REJECT", "Verworfen", True,
        unusable, items, (chain,), ("Rejected.",), "p1", "m 1.0",
    )  # fmt: skip
    return replace(one, **more)


def decided(comment: str = "a|b") -> Statement:
    retake = Item(DECISION, Code("DEC_RETAKE", "99MIQA", "Retake requested"), "Neu")
    return statement(9, [retake, Item(PERSON, "mara"), Item(COMMENT, comment)], status="final")


def queue(database: Database, *statements: Statement, to: str = "ris") -> None:
    with database.begin() as transaction:
        for one in statements:
            row = {"event_id": one.result_id, "event_type": f"{RESULT}{one.status}", "occurred_at": AT}
            insert_or_ignore(transaction, events, row | {"body": dump_statement(one)})
            deliveries.queue(transaction, EventNotice(one.result_id, f"{RESULT}{one.status}"), to, AT)


def states(database: Database) -> dict[str, tuple[str, str]]:
    """State and last error of each result."""
    with database.begin() as transaction:
        rows = deliveries.load_where(transaction, events.c.event_type.startswith(RESULT))
        return {row.uid: (row.state.value, row.last_error) for row in rows}


def lanes(
    database: Database, folder: Path, settings: DeliverSettings, config: DestinationConfig, kind: DestinationKind
) -> Lanes:
    no_files: Any = None
    outbox = DatabaseOutbox(database, no_files)
    return Lanes(outbox, Destinations(folder / "none.toml", [config]), settings, connect=kind.connect)


def config(port: int, **more: Any) -> OruConfig:
    values: dict[str, Any] = {"name": "ris", "host": "127.0.0.1", "tls": False, **more}
    return OruConfig(port=port, **values)
