"""Makes one transaction Bundle of FHIR R5 or R4 of a statement; the same statement gives the same bundle.

It follows HL7's DICOM SR to FHIR Resource Mapping IG 1.0.0: a measurement group is an Observation whose members are
its numbers and evaluations. R4 has no ImagingSelection; there a Media names the image. Patient, study, order and
image are named by their identifiers: they are the server's, and none is made up.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from miqa_hl7.statement import PERSON, Item, Statement
from miqa_hl7.values import clean, iso_day, system
from miqa_node.api import Code

SYSTEMS = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM", "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org", "UCUM": "http://unitsofmeasure.org",
    "UMLS": "http://terminology.hl7.org/CodeSystem/umls",
    "99MIQA": "urn:oid:2.25.102076157249731855765960746303595440148",
}  # fmt: skip
URI, UID = "urn:ietf:rfc:3986", "urn:dicom:uid"
_HL7 = "http://terminology.hl7.org/CodeSystem/"
_SPACE = uuid.UUID("6f0e6f4e-6d0f-5b3a-9f0a-0c7a2a1d8b85")
WITHDRAWN = "entered-in-error"
UNIT, REPORT = "unit", "report"
"""Roles of names: the second one of every observation, and the first of the report."""
_REPORT, _GROUP = Code("126000", "DCM", "Imaging Measurement Report"), Code("125007", "DCM", "Measurement Group")
_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
_IMAGE_QUALITY, _SOURCE = Code("111101", "DCM", "Image Quality"), Code("121112", "DCM", "Source of Measurement")
_STUDY_UID, _SERIES_UID = Code("110180", "DCM", "Study Instance UID"), Code("112002", "DCM", "Series Instance UID")

Resource = dict[str, Any]


def bundle_of(
    statement: Statement, release: str, patient_systems: Mapping[str, str], *, url: str = "", all_numbers: bool = False,
    former: Sequence[Resource] = (),
) -> Resource:  # fmt: skip
    """The bundle for R5 or R4, and ``patient_systems`` by assigning authority.

    ``former`` are the report and the observations that the server at ``url`` has of the same image or series: they are
    updated, and observations without a successor withdrawn.
    """
    return _Making(statement, release == "R5", patient_systems, url, former).bundle(all_numbers=all_numbers)


def name_of(statement: Statement, role: str) -> str:
    """The identifier of a resource of the image or series: a UID, the same for each of its statements."""
    return _uid(f"{statement.node} {statement.subject.unit_uid} {role}")


class _Making:
    """The resources of one statement: created if the server has none with the identifier, or updated."""

    def __init__(
        self, statement: Statement, is_r5: bool, systems: Mapping[str, str], url: str, former: Sequence[Resource]
    ) -> None:
        self._statement, self._is_r5, self._url = statement, is_r5, url
        self._former = {_own_name(one, name_of(statement, UNIT)): one for one in former}
        self._entries: list[Resource] = []
        self._names: set[str] = set()
        self._study = _by_uid("ImagingStudy", statement.subject.study_instance_uid, _STUDY_UID)
        self._people = [{"display": str(item.value)} for item in statement.items if item.code == PERSON]
        order = _order(statement.subject.accession_number)
        self._about = {"subject": _patient(statement, systems), "basedOn": [order] if order else []}

    def bundle(self, *, all_numbers: bool) -> Resource:
        one = self._statement
        maker = _uid(f"{one.node} {one.site} {one.model} {one.policy}")
        self._made_by = self._add("device", "Device", _device(one, is_r5=self._is_r5), maker)
        self._images = [self._image()]
        items = [item for item in one.items if item.code != PERSON and (item.is_reason or all_numbers)]
        quality = Item(_GROUP, _IMAGE_QUALITY, one.verdict_words, parts=tuple(items))
        groups = [
            self._group("quality", quality, bodySite={"text": one.subject.body_part} if one.subject.body_part else {})
        ]
        groups += [self._group(f"finding {_key(item)}", item) for item in one.findings]
        self._add(REPORT, "DiagnosticReport", self._report(groups))
        self._entries += [
            self._update(resource | {"status": WITHDRAWN})
            for name, resource in self._former.items()
            if name not in self._names and resource["status"] != WITHDRAWN
        ]
        return {"resourceType": "Bundle", "type": "transaction", "entry": self._entries}

    def _add(self, role: str, kind: str, resource: Resource, name: str = "") -> Resource:
        """Add what it has to the bundle; returns the reference to it."""
        name = name or name_of(self._statement, role)
        while name in self._names:  # two that say the same of different things
            role += "+"
            name = name_of(self._statement, role)
        self._names.add(name)
        identifiers = [{"system": UID, "value": name}, *resource.pop("identifier", ())]
        whole = {"resourceType": kind, "language": self._statement.language, "identifier": identifiers, **resource}
        whole = {key: value for key, value in whole.items() if value or value == 0}
        if name in self._former:
            before = self._former[name]
            self._entries.append(self._update(whole | {"id": before["id"], "meta": before.get("meta", {})}))
            return {"reference": f"{kind}/{before['id']}"}
        request = {"method": "POST", "url": kind, "ifNoneExist": f"identifier={UID}|{name}"}
        # Another than the identifier: servers replace it wherever it stands in the bundle.
        place = uuid.UUID(int=int(name.rpartition(".")[2])).urn
        self._entries.append({"fullUrl": place, "resource": whole, "request": request})
        return {"reference": place}

    def _update(self, resource: Resource) -> Resource:
        """Its entry: in place of the version that was read, and of no later one."""
        path, version = f"{resource['resourceType']}/{resource['id']}", resource.get("meta", {}).get("versionId")
        request = {"method": "PUT", "url": path} | ({"ifMatch": f'W/"{version}"'} if version else {})
        resource = {key: value for key, value in resource.items() if key != "meta"}
        return {"fullUrl": f"{self._url}/{path}", "resource": resource, "request": request}

    def _image(self) -> Resource:
        of = self._statement.subject
        if not self._is_r5:
            return _by_uid("Media", of.unit_uid, _SERIES_UID if of.is_series else None)
        image = {"uid": of.sop_instance_uid, "sopClass": {"system": URI, "code": f"urn:oid:{of.sop_class_uid}"}}
        return self._add("image", "ImagingSelection", {
            "status": "available", **self._about, "code": _concept(_SOURCE),
            "studyUid": of.study_instance_uid, "derivedFrom": [self._study], "seriesUid": of.series_instance_uid,
            "instance": [] if of.is_series else [image],
        })  # fmt: skip

    def _group(self, role: str, item: Item, **more: Any) -> Resource:
        """An item as a measurement group: its value is what was found, and its parts are members."""
        members = [self._observed(f"{role} {part.code.value}", part) for part in item.parts]
        return self._observed(role, Item(_GROUP, item.value, item.words), hasMember=members, **more)

    def _observed(self, role: str, item: Item, **more: Any) -> Resource:
        one, is_number = self._statement, isinstance(item.value, float)
        is_evaluation = not is_number and item.code != _GROUP
        return self._add(role, "Observation", {
            "identifier": [{"system": UID, "value": name_of(one, UNIT)}], **self._about, "partOf": [self._study],
            "status": one.status, "category": [_concept(_EVALUATIONS)] if is_evaluation else [],
            "code": _concept(item.code, item.words if is_number else ""), **_times(one),
            "performer": self._people if role.startswith("quality") and not is_number else [], **_value(item), **more,
            "device": self._made_by, "derivedFrom": self._images,
            "component": [{"code": _concept(part.code), **_value(part)} for part in item.parts],
        })  # fmt: skip

    def _report(self, groups: list[Resource]) -> Resource:
        one, study = self._statement, "study" if self._is_r5 else "imagingStudy"
        verdict = _concept(one.assessment, one.verdict_words) if one.assessment else {"text": one.verdict_words}
        modality = [_concept(Code(code, "DCM", ""))] if (code := clean(one.subject.modality).strip()) else []
        description = {"display": text} if (text := clean(one.subject.study_description)) else {}
        return {
            "identifier": [{"value": one.result_id}], **self._about, "status": one.status,
            "category": [{"coding": [{"system": f"{_HL7}v2-0074", "code": "RAD", "display": "Radiology"}]}, *modality],
            "code": _concept(_REPORT), **_times(one), "resultsInterpreter": self._people,
            study: [self._study | description], "result": groups,
            "conclusion": "\n".join(one.sentences) or one.verdict_words, "conclusionCode": [verdict],
        }  # fmt: skip


def _uid(text: str) -> str:
    return f"urn:oid:2.25.{uuid.uuid5(_SPACE, text).int}"


def _own_name(resource: Resource, of_unit: str) -> str:
    """The name that is its own, in whatever order a server keeps them."""
    names = [one.get("value", "") for one in resource["identifier"] if one.get("system") == UID]
    return next((name for name in names if name != of_unit), "")


def _key(item: Item) -> str:
    return item.value.value if isinstance(item.value, Code) else ""


def _value(item: Item) -> Resource:
    """As the guide has it: a text is a concept without a code."""
    value, unit = item.value, {"unit": item.unit, "system": SYSTEMS["UCUM"], "code": item.unit}
    if isinstance(value, float):
        return {"valueQuantity": {"value": value, **unit}}
    return {"valueCodeableConcept": _concept(value, item.words) if isinstance(value, Code) else {"text": value}}


def _concept(code: Code, words: str = "") -> Resource:
    """The code with its meaning, and the words of the site's language."""
    coding = {"system": SYSTEMS.get(code.scheme), "code": code.value, "display": code.meaning}
    concept: Resource = {"coding": [{key: value for key, value in coding.items() if value}]}
    return concept | ({"text": words} if words else {})


def _patient(statement: Statement, systems: Mapping[str, str]) -> Resource:
    """The patient by Patient ID and authority; nothing without an ID."""
    of = statement.subject
    identifier = {"type": _type("MR"), "value": clean(of.patient_id), **system(of.authority, systems)}
    return {"type": "Patient", "identifier": identifier} if identifier["value"] else {}


def _order(number: str) -> Resource:
    """The order by Accession Number."""
    number = clean(number)
    return {"type": "ServiceRequest", "identifier": {"type": _type("ACSN"), "value": number}} if number else {}


def _type(code: str) -> Resource:
    return {"coding": [{"system": f"{_HL7}v2-0203", "code": code}]}


def _by_uid(kind: str, uid: str, name: Code | None) -> Resource:
    identifier = {"system": UID, "value": f"urn:oid:{uid}"} | ({"type": _concept(name)} if name else {})
    return {"type": kind, "identifier": identifier}


def _device(statement: Statement, *, is_r5: bool) -> Resource:
    """The node, with its model and policy: who said it."""
    name, site = f"miqa-node {statement.node}", statement.site
    named = {"displayName": name} if is_r5 else {"deviceName": [{"name": name, "type": "user-friendly-name"}]}
    parts = {"model": statement.model, "policy": statement.policy}
    versions = [{"type": {"text": key}, "value": value} for key, value in parts.items() if value]
    owner = {"type": "Organization", "display": site} if site else {}
    return {**named, "manufacturer": "miqa-node", "version": versions, "owner": owner}


def _times(statement: Statement) -> Resource:
    """The day of the study, if it has one, and when the statement was made."""
    issued = {"issued": statement.made_at.isoformat(timespec="milliseconds")}
    on = iso_day(statement.subject.study_date, statement.made_at)
    return ({"effectiveDateTime": on} if on else {}) | issued
