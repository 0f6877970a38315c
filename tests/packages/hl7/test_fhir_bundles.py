"""Bundles: what a receiver finds in them, and where."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from miqa_hl7.bundle import bundle_of
from miqa_hl7.fhir import KIND
from miqa_hl7.statement import (
    ASSESSMENT,
    COMMENT,
    DECISION,
    FINDING,
    FINDING_REASON,
    PERSON,
    Item,
    Statement,
    Subject,
    statement_of,
)
from miqa_node.api import Code
from tests.packages.hl7.fhir_making import GRID, ODD, lines, resources, texts, unassessed
from tests.packages.hl7.making import AT, decided, number, statement, subject
from tests.packages.hl7.reading_fhir import DCM, FhirGroup, read_bundle
from tests.packages.hl7.test_statement import PAGE, result

RELEASES = ("R5", "R4")
MRN = {"NORTH": "https://north.example/mrn"}


@pytest.mark.parametrize("release", RELEASES)
def test_a_receiver_reads_what_was_said(release: str) -> None:
    read = read_bundle(bundle_of(decided("noch einmal"), release, MRN))
    assert (read.status, read.verdict, read.verdict_words) == ("final", ("DCM", "111235"), "Verworfen")
    assert (read.accession_number, read.study_uid, read.image) == ("ACC4711", "1.2.3", "1.2.3.4.5")
    assert (read.patient["system"], read.patient["value"]) == ("https://north.example/mrn", "PAT1001")
    quality, chain = read.groups
    assert quality.evaluations == [
        (("DCM", "111050"), ("DCM", "111235")),
        (("DCM", "111052"), ("DCM", "111210")),
        (("99MIQA", "READER_DECISION"), ("99MIQA", "DEC_RETAKE")),
        (("DCM", "121106"), "noch einmal"),
    ]
    assert quality.numbers == {("99MIQA", "RATING"): (41.5, "{0:100}"), ("99MIQA", "TINY"): (1e-7, "mm")}
    side = (("SCT", "39607008"), ("SCT", "7771000"))
    assert chain == FhirGroup(("99MIQA", "FOREIGN"), "Kette", {("99MIQA", "P_FOREIGN"): (93.25, "%")}, [], [side])


@pytest.mark.parametrize("release", RELEASES)
def test_a_series_is_named_by_its_uid_and_what_was_not_assessed_has_words_only(release: str) -> None:
    read = read_bundle(bundle_of(replace(unassessed(), subject=subject(is_series=True)), release, {}))
    assert (read.image, read.verdict, read.verdict_words) == ("1.2.3.4", None, "Nicht beurteilt")


def test_all_numbers_only_where_the_site_wants_them() -> None:
    slim, full = (read_bundle(bundle_of(statement(), "R5", {}, all_numbers=one)) for one in (False, True))
    assert set(full.groups[0].numbers) - set(slim.groups[0].numbers) == {("99MIQA", "OTHER")}


def test_r4_has_no_imaging_selection_and_neither_release_a_patient_or_a_study() -> None:
    kinds = {one: [made["resourceType"] for made in resources(bundle_of(statement(), one, {}))] for one in RELEASES}
    assert set(kinds["R5"]) - set(kinds["R4"]) == {"ImagingSelection"}
    assert set(kinds["R4"]) == {"Device", "Observation", "DiagnosticReport"}


@pytest.mark.parametrize(
    ("authority", "system", "assigner"),
    [
        ("NORTH", "https://north.example/mrn", "NORTH"),
        ("SOUTH", None, "SOUTH"),
        ("&1.2.3&ISO", "urn:oid:1.2.3", None),
        ("W&x.example&DNS", None, "W"),
        ("", None, None),
    ],
)
def test_the_patient_has_the_system_of_the_site_or_that_of_a_universal_authority(
    authority: str, system: str | None, assigner: str | None
) -> None:
    patient = read_bundle(bundle_of(statement(subject=subject(authority=authority)), "R5", MRN)).patient
    assert (patient.get("system"), patient.get("assigner", {}).get("display")) == (system, assigner)


def test_observations_are_as_the_guide_has_them() -> None:
    """Profiles ImagingMeasurementGroup, ImagingMeasurement and ImagingQualitativeEvaluation of version 1.0.0."""
    for one in resources(bundle_of(decided(), "R5", MRN), "Observation"):
        assert {"subject", "issued", "device", "identifier", "status", "basedOn", "derivedFrom"} <= set(one)
        (study,) = one["partOf"]
        assert (study["type"], study["identifier"]["type"]["coding"][0]["code"]) == ("ImagingStudy", "110180")
        assert study["identifier"]["value"] == "urn:oid:1.2.3"
        is_group = one["code"]["coding"][0] == {"system": DCM, "code": "125007", "display": "Measurement Group"}
        categories = [coding["code"] for concept in one.get("category", ()) for coding in concept["coding"]]
        if is_group or "valueQuantity" in one:
            assert categories == []
        else:
            assert (categories, "valueCodeableConcept" in one) == (["C0034375"], True)
        assert ("hasMember" in one) == is_group


def test_the_same_statement_makes_the_same_bundle_and_each_image_has_identifiers_of_its_own() -> None:
    once, again, other = (
        bundle_of(one, "R5", {})
        for one in (statement(), statement(), statement(subject=subject(sop_instance_uid="1.9")))
    )
    assert once == again
    own = [{one["identifier"][0]["value"] for one in resources(bundle, "Observation")} for bundle in (once, other)]
    assert not own[0] & own[1]
    device = [next(resources(bundle, "Device")) for bundle in (once, other)]
    assert device[0] == device[1], "the node is one device"


def test_two_findings_of_one_kind_are_two() -> None:
    bundle = bundle_of(replace(statement(), findings=(GRID, GRID)), "R5", {})
    names = [one["identifier"][0]["value"] for one in resources(bundle)]
    assert len(set(names)) == len(names)
    assert [one.value for one in read_bundle(bundle).groups[1:]] == [("99MIQA", "GRID")] * 2


def test_an_identifier_is_in_no_place_of_the_bundle() -> None:
    """Servers replace a fullUrl by the place that they gave the resource, some in identifiers, too."""
    bundle = bundle_of(statement(), "R5", {})
    places = {entry["fullUrl"] for entry in bundle["entry"]}
    assert not places & {one["value"] for made in resources(bundle) for one in made["identifier"]}


SILENT = {"patient_name"}
"""Who the patient is stands on the server."""


def filled() -> tuple[Statement, list[str]]:
    """A statement with a word of its own in every text, and these words."""
    words: list[str] = []

    def word(name: str) -> str:
        text = f"{name}: {ODD}{'lang ' * 40}"
        if name not in SILENT:
            words.append(text)
        return text

    def code(name: str) -> Code:
        words.extend((f"{name}_CODE", f"{name} meaning ä"))
        return Code(f"{name}_CODE", "99MIQA", f"{name} meaning ä")

    authority = ODD.replace("&", "+")
    words.append(authority)
    of = Subject(
        word("patient_id"), authority, word("patient_name"), "19700101", word("accession_number"), "1.2.31",
        "20260131", word("study_description"), "1.2.32", "1.2.33", "1.2.34", "DX", word("body_part"), is_series=False,
    )  # fmt: skip
    finding = Item(FINDING, code("FINDING"), word("finding"), parts=(
        Item(code("CERTAINTY"), 12.5, word("certainty"), "%"),
        Item(code("OVER"), code("ANATOMY"), word("anatomy"), parts=(Item(code("WHICH"), code("SIDE")),)),
    ))  # fmt: skip
    items = (
        Item(ASSESSMENT, code("ASSESSMENT"), word("assessment")), Item(code("SCORE"), 7.25, word("score"), "{0:100}"),
        Item(FINDING_REASON, code("REASON"), word("reason")), Item(DECISION, code("DECISION"), word("decision")),
        Item(PERSON, word("person")), Item(COMMENT, word("comment")),
    )  # fmt: skip
    words += ["1.2.31", "1.2.32", "1.2.33", "1.2.34", "DX", "2026-01-31", "%", "{0:100}"]
    one = Statement(
        word("result_id"), "corrected", AT, word("node"), word("site"), "de", of, "REJECT", word("verdict_words"), True,
        Code("ASSESSMENT_CODE", "99MIQA", "x"), items, (finding,), (word("sentence"), word("another sentence")),
        word("policy"), word("model"),
    )  # fmt: skip
    return one, words


@pytest.mark.parametrize("release", RELEASES)
def test_every_word_of_a_statement_arrives_whole(release: str) -> None:
    one, words = filled()
    bundle = bundle_of(one, release, {})
    arrived = [*texts(bundle)]
    missing = [word for word in words if not any(word in text for text in arrived)]
    assert missing == ([] if release == "R5" else ["1.2.32", "1.2.34"]), "R4 names the image, not its series and class"
    assert not any("patient_name" in text or "19700101" in text for text in arrived)
    assert {one["language"] for one in resources(bundle)} == {"de"}
    assert {one["valueQuantity"]["value"] for one in resources(bundle) if "valueQuantity" in one} == {12.5, 7.25}


def test_what_is_unknown_is_left_out_rather_than_empty() -> None:
    bare = subject(**dict.fromkeys(("patient_id", "authority", "accession_number", "study_date", "study_description",
                                    "modality", "body_part"), ""))  # fmt: skip
    made: Any = bundle_of(replace(statement(subject=bare), model="", policy="", site=""), "R5", {})
    assert "" not in [*texts(made)]
    assert not any({"subject", "basedOn", "effectiveDateTime", "bodySite"} & set(one) for one in resources(made))


def test_an_impossible_day_is_none() -> None:
    made = bundle_of(statement(subject=subject(study_date="20260231")), "R5", {})
    assert not any("effectiveDateTime" in one for one in resources(made))


def test_numbers_are_named_in_the_language_of_the_site_beside_their_code() -> None:
    bundle = bundle_of(statement(items=(number(1.0, "SNR", "1", "Rauschabstand"),)), "R5", {})
    (snr,) = [one for one in resources(bundle, "Observation") if one["code"]["coding"][0]["code"] == "SNR"]
    assert snr["code"]["text"] == "Rauschabstand"


def test_the_resources_on_the_page_are_what_the_code_makes() -> None:
    bundle = bundle_of(statement_of(result()), "R5", {"NORTH": "https://hospital.example/mrn"})
    page = PAGE.read_text("utf-8")
    shown = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    *_others, finding = resources(bundle, "Observation")
    (place,) = [one for one in resources(bundle, "Observation") if "component" in one]
    assert shown == [lines(one) for one in (next(resources(bundle, "DiagnosticReport")), finding, place)]
    assert f"the whole bundle has {len(bundle['entry'])} resources" in page


def test_the_page_has_every_key() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in KIND.config.model_fields if not re.search(rf"\b{name}\b", page)] == []
