"""Reads a bundle as a receiver would who knows FHIR and the guide, and nothing of the node.

Media in place of ImagingSelection is all that R4 differs in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.packages.hl7.reading import FINDING, IMAGE_QUALITY, LATERALITY, PROJECTS_OVER, Fact

Resource = dict[str, Any]
Coded = tuple[str, str]
"""System and code."""
DCM, SCT = "http://dicom.nema.org/resources/ontology/DCM", "http://snomed.info/sct"
OURS = "urn:oid:2.25.102076157249731855765960746303595440148"
SCHEMES = {DCM: "DCM", SCT: "SCT", OURS: "99MIQA", "http://loinc.org": "LN"}
"""Systems by the designators of PS3.16 8."""


@dataclass(slots=True)
class FhirGroup:
    """A measurement group: what was found, and its members; numbers have value and UCUM code."""

    value: Coded
    words: str
    numbers: dict[Coded, tuple[float, str]] = field(default_factory=dict)
    evaluations: list[tuple[Coded, Coded | str]] = field(default_factory=list)
    places: list[tuple[Coded, Coded | None]] = field(default_factory=list)
    """Anatomy and side."""


@dataclass(slots=True)
class FhirReport:
    """What the report says; ``image`` is the UID of the image, or of the series."""

    status: str
    verdict: Coded | None
    verdict_words: str
    conclusion: str
    patient: Resource
    accession_number: str
    study_uid: str
    image: str
    groups: list[FhirGroup]


def read_bundle(bundle: Resource) -> FhirReport:
    """The one report of a bundle, by its references."""
    resources = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    resources |= {entry["request"]["url"]: entry["resource"] for entry in bundle["entry"] if "id" in entry["resource"]}
    report = next(one for one in resources.values() if one["resourceType"] == "DiagnosticReport")
    groups = [resources[one["reference"]] for one in report["result"]]
    (conclusion,) = report["conclusionCode"]
    (source,) = groups[0]["derivedFrom"]
    image = resources[source["reference"]] if "reference" in source else source
    (study,) = report.get("study") or report.get("imagingStudy")
    return FhirReport(
        report["status"], _coded(conclusion), conclusion["text"], report["conclusion"],
        report.get("subject", {}).get("identifier", {}),
        "".join(order["identifier"]["value"] for order in report.get("basedOn", ())), _uid(study), _image_uid(image),
        [_group(one, resources) for one in groups],
    )  # fmt: skip


def read_fhir(body: bytes) -> tuple[str, set[Fact]]:
    """The unit, and facts of a bundle."""
    report = read_bundle(json.loads(body))
    facts: set[Fact] = set()
    for group in report.groups:
        value = ":".join(group.value)
        about = () if value == IMAGE_QUALITY else (value,)
        facts |= {Fact(about, FINDING, value)} if about else set()
        facts |= {Fact(about, ":".join(code), str(float(one)), unit) for code, (one, unit) in group.numbers.items()}
        coded = [(code, concept) for code, concept in group.evaluations if not isinstance(concept, str)]
        facts |= {Fact(about, ":".join(code), ":".join(concept)) for code, concept in coded}
        for anatomy, side in group.places:
            facts.add(Fact(about, PROJECTS_OVER, ":".join(anatomy)))
            facts |= {Fact((*about, ":".join(anatomy)), LATERALITY, ":".join(side))} if side else set()
    return report.image, facts


def _group(group: Resource, resources: dict[str, Resource]) -> FhirGroup:
    assert _coded(group["code"]) == ("DCM", "125007")
    value = group["valueCodeableConcept"]
    read = FhirGroup(_coded(value) or ("", ""), value.get("text", ""))
    for member in (resources[one["reference"]] for one in group.get("hasMember", ())):
        code = _coded(member["code"])
        assert code is not None
        if "valueQuantity" in member:
            quantity = member["valueQuantity"]
            assert quantity["system"] == "http://unitsofmeasure.org"
            read.numbers[code] = quantity["value"], quantity["code"]
        else:
            concept = member["valueCodeableConcept"]
            sides = [_coded(one["valueCodeableConcept"]) for one in member.get("component", ())
                     if _coded(one["code"]) == ("SCT", "272741003")]  # fmt: skip
            if code[1] == "PROJECTS_OVER":
                read.places.append((_coded(concept) or ("", ""), sides[0] if sides else None))
            else:
                read.evaluations.append((code, _coded(concept) or concept["text"]))
    return read


def _coded(concept: Resource) -> Coded | None:
    if "coding" not in concept:
        return None
    (coding,) = concept["coding"]
    return SCHEMES[coding["system"]], coding["code"]


def _uid(reference: Resource) -> str:
    assert reference["identifier"]["system"] == "urn:dicom:uid"
    return str(reference["identifier"]["value"]).removeprefix("urn:oid:")


def _image_uid(image: Resource) -> str:
    if image.get("resourceType") != "ImagingSelection":
        return _uid(image)
    return str(image["instance"][0]["uid"] if "instance" in image else image["seriesUid"])
