"""Audit messages meet the schema of PS3.15 A.5.1, whatever the event, and say who, what and whose."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from miqa_node.core.domain.audit import AuditEvent, AuditRecord
from miqa_node.features.audit.message import AuditSource, audit_message
from miqa_node.features.audit.syslog import syslog_line

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent / "audit-message.rng"))
SOURCE = AuditSource("miqa-1", "North Hospital", "MIQA")
RECORD = AuditRecord(
    number=7,
    at="2026-01-02T03:04:05.000000+00:00",
    event=AuditEvent.STUDY_SEEN,
    actor="vera",
    means="session",
    peer="10.0.0.7",
    failed=False,
    patient="ab" * 16,
    study="1.2.3",
    digest="",
    detail="{}",
    sha256="cd" * 32,
)
DETAILS = {
    AuditEvent.RECEIVED: {"class": "1.2.840.10008.5.1.4.1.1.1.1", "instance": "1.2.3.4", "novelty": "new"},
    AuditEvent.DELIVERED: {
        "destination": "PACS",
        "kind": "SR",
        "class": "1.2.840.10008.5.1.4.1.1.88.34",
        "instance": "2.25.1",
    },
    AuditEvent.LIST_SEEN: {"page": "/"},
    AuditEvent.ACCOUNT_CHANGED: {"account": "kim", "action": "role", "detail": "admin"},
    AuditEvent.SETTINGS_CHANGED: {"what": "settings", "changed": ["dicom.port", "web.host"]},
}


@pytest.mark.parametrize("event", list(AuditEvent))
@pytest.mark.parametrize(
    "who",
    [
        {},
        {"actor": "node", "means": "", "peer": ""},
        {"actor": "", "peer": "10.0.0.66", "failed": True, "patient": "", "study": ""},
        {"actor": "A&<\x00\x1bB", "digest": "ef" * 32},
    ],
)
def test_every_message_meets_the_schema(event: AuditEvent, who: dict[str, Any]) -> None:
    record = replace(RECORD, event=event, detail=json.dumps(DETAILS.get(event, {})), **who)
    for patient_id in ("", "PID<1>\x07"):
        document = etree.fromstring(audit_message(record, SOURCE, patient_id))
        assert SCHEMA.validate(document), SCHEMA.error_log


def test_the_schema_refuses_what_is_not_such_a_message() -> None:
    document = etree.fromstring(audit_message(RECORD, SOURCE, "PID1"))
    document.find("EventIdentification").attrib["EventOutcomeIndicator"] = "5"
    assert not SCHEMA.validate(document)


def test_a_view_names_person_study_and_patient_but_not_the_name_of_the_patient() -> None:
    document = etree.fromstring(audit_message(RECORD, SOURCE, "PID1"))
    assert document.find("EventIdentification/EventID").get("csd-code") == "110103"
    person, node = document.findall("ActiveParticipant")
    assert (person.get("UserID"), person.get("NetworkAccessPointID"), person.get("UserIsRequestor")) == (
        "vera",
        "10.0.0.7",
        "true",
    )
    assert node.get("AlternativeUserID") == "AETITLES=MIQA"
    study, patient = document.findall("ParticipantObjectIdentification")
    assert (study.get("ParticipantObjectID"), patient.get("ParticipantObjectID")) == ("1.2.3", "PID1")
    assert patient.find("ParticipantObjectName").text == "ab" * 16


def test_a_received_object_has_source_destination_and_its_uids() -> None:
    detail = json.dumps(DETAILS[AuditEvent.RECEIVED])
    record = replace(RECORD, event=AuditEvent.RECEIVED, actor="CT1", detail=detail, digest="ef" * 32)
    document = etree.fromstring(audit_message(record, SOURCE, ""))
    ends = [
        (one.get("UserID"), one.find("RoleIDCode").get("csd-code")) for one in document.findall("ActiveParticipant")
    ]
    assert ends == [("CT1", "110153"), ("miqa-1", "110152")]
    assert document.find(".//SOPClass/Instance").get("UID") == "1.2.3.4"
    values = {one.get("type"): one.get("value") for one in document.iter("ParticipantObjectDetail")}
    assert base64.b64decode(values["image_sha256"]).decode() == "ef" * 32


def test_the_syslog_line_is_that_of_a_6() -> None:
    line = syslog_line(RECORD, b"<x/>", "host1")
    head, _, xml = line.partition(b"\xef\xbb\xbf")
    assert xml == b"<x/>"
    words = head.decode().split(" ")
    assert (words[0], words[1], words[2], words[3]) == ("<85>1", "2026-01-02T03:04:05.000000Z", "host1", "miqa-node")
    assert words[5:] == ["DICOM+RFC3881", "[meta", 'sequenceId="7"]', ""]
