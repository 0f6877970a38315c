"""Audit messages of DICOM PS3.15 A.5: one record of the trail as XML.

Participants are the person who acted, the node itself, and the other end of a transfer; objects are the patient, the
study, or another object of the action. A message has only the patient's identifier; the name, which the schema
requires, is the pseudonym of the trail.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree as ET

from miqa_node.core.domain.audit import AuditEvent, AuditRecord

DCM, RFC3881 = "DCM", "RFC-3881"


@dataclass(frozen=True, slots=True)
class AuditSource:
    """Source of the messages (A.5.2): the node's name, its site, and its AE title."""

    node: str
    site: str
    ae_title: str


@dataclass(frozen=True, slots=True)
class _Form:
    """Codes of an event: EventID, EventActionCode and EventTypeCode."""

    code: str
    meaning: str
    action: str
    type_code: str = ""
    type_meaning: str = ""


_ACTIVITY, _SIGN_IN = ("110100", "Application Activity"), ("110114", "User Authentication")
_ACCESSED, _ALERT = ("110103", "DICOM Instances Accessed"), ("110113", "Security Alert")
_TRANSFERRED, _EXPORT = ("110104", "DICOM Instances Transferred"), ("110106", "Export")
_DELETED, _AUDIT_USED = ("110105", "DICOM Study Deleted"), ("110101", "Audit Log Used")
_FORMS: Mapping[AuditEvent, _Form] = {
    AuditEvent.STARTED: _Form(*_ACTIVITY, "E", "110120", "Application Start"),
    AuditEvent.STOPPED: _Form(*_ACTIVITY, "E", "110121", "Application Stop"),
    AuditEvent.SIGNED_IN: _Form(*_SIGN_IN, "E", "110122", "Login"),
    AuditEvent.SIGN_IN_FAILED: _Form(*_SIGN_IN, "E", "110122", "Login"),
    AuditEvent.SIGNED_OUT: _Form(*_SIGN_IN, "E", "110123", "Logout"),
    AuditEvent.STUDY_SEEN: _Form(*_ACCESSED, "R"),
    AuditEvent.IMAGE_SEEN: _Form(*_ACCESSED, "R"),
    AuditEvent.LIST_SEEN: _Form("110112", "Query", "E"),
    AuditEvent.EXPORTED: _Form(*_EXPORT, "R"),
    AuditEvent.IMPORTED: _Form("110107", "Import", "C"),
    AuditEvent.RECEIVED: _Form(*_TRANSFERRED, "C"),
    AuditEvent.VERDICT: _Form(*_ACCESSED, "C"),
    AuditEvent.DECIDED: _Form(*_ACCESSED, "U"),
    AuditEvent.PATIENT_CHANGED: _Form(*_ACCESSED, "U"),
    AuditEvent.PATIENTS_CONFLICT: _Form(*_ACCESSED, "U"),
    AuditEvent.DELIVERED: _Form(*_TRANSFERRED, "C"),
    AuditEvent.REASSESSED: _Form(*_ACCESSED, "U"),
    AuditEvent.REMOVED: _Form(*_DELETED, "D"),
    AuditEvent.ERASED: _Form(*_DELETED, "D"),
    AuditEvent.HOLD_CHANGED: _Form(*_ALERT, "E", "110135", "Object Security Attributes Changed"),
    AuditEvent.BACKED_UP: _Form(*_EXPORT, "R"),
    AuditEvent.ACCOUNT_CHANGED: _Form(*_ALERT, "E", "110137", "User Security Attributes Changed"),
    AuditEvent.MODEL_CHANGED: _Form(*_ALERT, "E", "110131", "Software Configuration"),
    AuditEvent.POLICY_CHANGED: _Form(*_ALERT, "E", "110131", "Software Configuration"),
    AuditEvent.SETTINGS_CHANGED: _Form(*_ALERT, "E", "110131", "Software Configuration"),
    AuditEvent.REFUSED: _Form(*_ALERT, "E", "110126", "Node Authentication"),
    AuditEvent.AUDIT_SEEN: _Form(*_AUDIT_USED, "R"),
    AuditEvent.AUDIT_PRUNED: _Form(*_AUDIT_USED, "D"),
}
_OF_STUDIES = {_ACCESSED[0], _TRANSFERRED[0], _DELETED[0], _EXPORT[0]}


def audit_message(record: AuditRecord, source: AuditSource, patient_id: str) -> bytes:
    """The message of a sealed record, in UTF-8; ``patient_id`` is empty if it is no longer known."""
    record = replace(record, actor=_clean(record.actor), peer=_clean(record.peer), study=_clean(record.study))
    form, detail = _FORMS[AuditEvent(record.event)], json.loads(_clean(record.detail))
    message = ET.Element("AuditMessage")
    _event(message, record, form)
    _participants(message, record, form, source, detail)
    site = {"AuditEnterpriseSiteID": source.site} if source.site else {}
    reporter = ET.SubElement(message, "AuditSourceIdentification", {**site, "AuditSourceID": source.node})
    ET.SubElement(reporter, "AuditSourceTypeCode", {"csd-code": "4"})
    if form.code in _OF_STUDIES and record.study:
        _study(message, record, detail)
    if record.patient:
        identifier = _clean(patient_id) or record.patient
        whose = _object(message, identifier, "1", "1", ("2", RFC3881, "Patient Number"))
        _name(whose, record.patient)
    _subject(message, record, form, detail)
    document: bytes = ET.tostring(message, encoding="utf-8", xml_declaration=True)
    return document


def _event(message: ET.Element, record: AuditRecord, form: _Form) -> None:
    attributes = {
        "EventActionCode": form.action,
        "EventDateTime": record.at,
        "EventOutcomeIndicator": "4" if record.failed else "0",
    }
    event = ET.SubElement(message, "EventIdentification", attributes)
    _code(event, "EventID", form.code, DCM, form.meaning)
    if form.type_code:
        _code(event, "EventTypeCode", form.type_code, DCM, form.type_meaning)


def _participants(
    message: ET.Element, record: AuditRecord, form: _Form, source: AuditSource, detail: Mapping[str, Any]
) -> None:
    itself = {"UserID": source.node, "AlternativeUserID": f"AETITLES={source.ae_title}"}
    is_own = record.actor in ("node", "")
    if form.code == _TRANSFERRED[0]:
        is_in = record.event == AuditEvent.RECEIVED
        other = record.actor if is_in else str(detail.get("destination", ""))
        roles = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
        first, second = roles if is_in else roles[::-1]
        end = {"UserID": other, **_address(record.peer)} if is_in else {"UserID": other}
        _participant(message, end, *first, asks=is_in)
        _participant(message, itself, *second, asks=not is_in)
        return
    if not is_own or record.peer:
        asking = {"UserID": record.actor or record.peer, **_address(record.peer)}
        role = ("110153", "Source Role ID") if form.code == _EXPORT[0] else ("", "")
        _participant(message, asking, *role, asks=True)
    role = ("110150", "Application") if form.code == _ACTIVITY[0] else ("", "")
    _participant(message, itself, *role, asks=is_own and not record.peer)
    if form.code == _EXPORT[0]:
        _participant(message, {"UserID": record.peer or record.actor}, "110152", "Destination Role ID", asks=False)


def _participant(message: ET.Element, attributes: Mapping[str, str], role: str, meaning: str, *, asks: bool) -> None:
    one = ET.SubElement(message, "ActiveParticipant", {**attributes, "UserIsRequestor": str(asks).lower()})
    if role:
        _code(one, "RoleIDCode", role, DCM, meaning)


def _address(peer: str) -> dict[str, str]:
    """The network access point: an address, which is type 2."""
    return {"NetworkAccessPointID": peer, "NetworkAccessPointTypeCode": "2"} if peer else {}


def _study(message: ET.Element, record: AuditRecord, detail: Mapping[str, Any]) -> None:
    study = _object(message, record.study, "2", "3", ("110180", DCM, "Study Instance UID"))
    _name(study, record.study)
    if record.digest:
        _value(study, "image_sha256", record.digest)
    for key, value in sorted(detail.items()):
        if key not in ("class", "instance"):
            _value(study, key, value)
    if "class" in detail:
        described = ET.SubElement(study, "ParticipantObjectDescription")
        sop_class = ET.SubElement(described, "SOPClass", {"UID": str(detail["class"]), "NumberOfInstances": "1"})
        ET.SubElement(sop_class, "Instance", {"UID": str(detail["instance"])})


def _subject(message: ET.Element, record: AuditRecord, form: _Form, detail: Mapping[str, Any]) -> None:
    """Other objects of an action: an account, a list, the audit trail, the configuration."""
    if form.code in _OF_STUDIES and record.study:
        return
    if form.code in (_SIGN_IN[0], _ACTIVITY[0]):
        return
    if form.code == "110112":
        page = str(detail.get("page", ""))
        listed = _object(message, page, "2", "24", ("10", RFC3881, "Search Criteria"))
        ET.SubElement(listed, "ParticipantObjectQuery").text = base64.b64encode(page.encode()).decode()
        return
    if form.code == _AUDIT_USED[0]:
        subject = _object(message, "audit_records", "2", "13", ("12", RFC3881, "URI"))
        _name(subject, "Security Audit Log")
    else:
        name = str(detail.get("account") or detail.get("slot") or detail.get("what") or record.event)
        coded = ("11", RFC3881, "User Identifier") if "account" in detail else ("110182", DCM, "Node ID")
        subject = _object(message, name, "2", "13", coded)
        _name(subject, name)
    for key, value in sorted(detail.items()):
        _value(subject, key, value)


def _object(message: ET.Element, identifier: str, type_code: str, role: str, coded: tuple[str, str, str]) -> ET.Element:
    attributes = {
        "ParticipantObjectID": identifier,
        "ParticipantObjectTypeCode": type_code,
        "ParticipantObjectTypeCodeRole": role,
    }
    one = ET.SubElement(message, "ParticipantObjectIdentification", attributes)
    _code(one, "ParticipantObjectIDTypeCode", *coded)
    return one


def _name(participant: ET.Element, name: str) -> None:
    ET.SubElement(participant, "ParticipantObjectName").text = name


def _value(participant: ET.Element, key: str, value: object) -> None:
    coded = base64.b64encode(str(value).encode()).decode()
    ET.SubElement(participant, "ParticipantObjectDetail", {"type": key, "value": coded})


def _clean(text: str) -> str:
    """The text without characters that XML forbids (XML 1.0 2.2); AE titles of strangers may contain any."""
    return re.sub("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]", "?", text)


def _code(parent: ET.Element, name: str, code: str, scheme: str, meaning: str) -> None:
    ET.SubElement(parent, name, {"csd-code": code, "codeSystemName": scheme, "originalText": meaning})
