"""A statement is what the report says: of a verdict, of what was not assessed, and of a person's decision."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import hl7
import pytest

from miqa_hl7.choice import On
from miqa_hl7.message import message_of
from miqa_hl7.oru import KIND
from miqa_hl7.statement import (
    ASSESSMENT,
    COMMENT,
    DECISION,
    FINDING_REASON,
    PROJECTS_OVER,
    SIDE,
    dump_statement,
    load_statement,
    statement_of,
)
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.event import EventOrigin
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace, ObjectRegion
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_title
from miqa_node.errors import DeliveryRefusedError
from miqa_node.stages.deliver.result import ResultContent, ResultStatus
from tests.packages.hl7.making import AT, TEMPLATE, config, statement, subject
from tests.runtime.store.making import header, study

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "ris.md"
LETTERS = {"E": "\\", "F": "|", "S": "^", "T": "&", "R": "~"}
OBJECT = FindingName.FOREIGN_OBJECT
IMAGE_ARTIFACT = Code("111207", "DCM", "Image artifact(s)")
PLACE = ObjectPlace(
    (ChestRegion.LUNG,), "left", regions=(ObjectRegion((0.7, 0.4), ChestRegion.LUNG, "left", apex=False),)
)


def result(verdict: Verdict = Verdict.REJECT, review: Review | None = None, language: str = "de") -> ResultContent:
    of = header(1)
    finding = Finding(OBJECT, IMAGE_ARTIFACT, 0.9325, 0.8, 0.5, place=PLACE)
    assessment = Assessment(
        InstanceDigest("d"), of, AT, (finding,), score=41.5,
        measurements=(Measurement("noise", 2.5, "%"), Measurement("entropy", 6.25, "1")),
    )  # fmt: skip
    reasons = (
        Reason(OBJECT, finding_title(OBJECT, "en"), IMAGE_ARTIFACT, Verdict.REJECT),
        Reason("noise", Phrase("Noise"), IMAGE_ARTIFACT, Verdict.REVIEW),
    )
    disposition = Disposition(verdict, reasons if verdict is not Verdict.ACCEPT else (), "p1", "all")
    instance = StoredInstance(InstanceDigest("d"), of, "k", AT, "MODALITY")
    row = replace(study(), accession_number="A4711", authority="NORTH", patient_birth_date="19700131")
    status = ResultStatus.PRELIMINARY if review is None else ResultStatus.FINAL
    return ResultContent(
        "RH2WJLU7GANGTAOUFGCF", status, False, AT, EventOrigin("node", "St. Anna", language=language), row,
        Judgement(instance, assessment, disposition), False, review,
    )  # fmt: skip


def review(resolution: Resolution, **more: object) -> Review:
    return Review(1, "mara", AT, resolution, **more)  # type: ignore[arg-type]


def test_a_statement_survives_its_json() -> None:
    one = statement_of(result())
    assert load_statement(dump_statement(one).encode()) == one
    with pytest.raises(DeliveryRefusedError, match="erased"):
        load_statement(b"{}")


def test_findings_have_reason_certainty_and_side_and_numbers_say_whether_the_verdict_rests_on_them() -> None:
    one = statement_of(result())
    [finding] = one.findings
    assert [part.code for part in finding.parts if part.code in (FINDING_REASON, PROJECTS_OVER)] == [
        FINDING_REASON,
        PROJECTS_OVER,
    ]
    [place] = [part for part in finding.parts if part.code == PROJECTS_OVER]
    assert [(side.code, side.value.value) for side in place.parts] == [(SIDE, "7771000")]  # type: ignore[union-attr]
    numbers = {item.words: (item.value, item.unit, item.is_reason) for item in one.items if item.unit}
    assert numbers["Qualitätswert"] == (41.5, "{0:100}", True)
    assert [is_reason for _value, _unit, is_reason in numbers.values()] == [True, True, False]


def test_a_decision_brings_verdict_and_findings_of_the_person() -> None:
    one = statement_of(result(review=review(Resolution.DISMISSED, findings=(), comment="a|b")))
    assert one.verdict == "ACCEPT"
    items = {item.code: item for item in one.items}
    assert FINDING_REASON not in items
    assert (items[DECISION].value.value, items[COMMENT].value) == ("DEC_DISMISSED", "a|b")  # type: ignore[union-attr]


def test_what_was_not_assessed_has_no_coded_verdict_and_its_reasons_are_comments() -> None:
    one = statement_of(result(Verdict.NOT_ASSESSED))
    assert one.assessment is None
    assert (one.items[0].code, one.items[0].value) == (ASSESSMENT, "Nicht beurteilt")
    assert {item.code for item in one.items if isinstance(item.value, str)} == {ASSESSMENT, COMMENT}


def test_who_hears_of_what() -> None:
    flagged, accepted = result(), result(Verdict.ACCEPT)
    decided = result(Verdict.ACCEPT, review(Resolution.DISMISSED))
    chosen = {on: [config(1, on=on.value).state(one) is not None for one in (flagged, accepted, decided)] for on in On}
    assert chosen == {On.FLAGGED: [True, False, False], On.ALL: [True] * 3, On.DECIDED: [False, False, True]}
    assert config(1).on is On.FLAGGED
    assert config(1).state(result(Verdict.ACCEPT, review(Resolution.RETAKEN))), "whose new exposure a person asked for"
    assert config(1).state(replace(accepted, has_former=True)), "whoever got the former result gets this"


def test_the_page_has_every_key() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in KIND.config.model_fields if not re.search(rf"\b{name}\b", page)] == []


def test_the_message_on_the_page_is_what_the_code_makes() -> None:
    [shown] = re.findall(r"```hl7\n(.*?)\n```", PAGE.read_text("utf-8"), re.DOTALL)
    assert f"{shown}\n" == message_of(statement_of(result()), TEMPLATE).decode().replace("\r", "\n")


@pytest.mark.parametrize(
    "word", [r"a|b^c~d\e&f", "Müßig Øre", "王^小東=王^小東=Wang", "W" * 64, "line\r\nbreak\x0b\x1c", r"\.br\ \H\ "]
)
def test_a_ris_reads_every_text_as_it_was(word: str) -> None:
    """Parsed by another library, as an interface engine does."""
    texts = dict.fromkeys(("patient_id", "accession_number", "study_description", "body_part", "modality"), word)
    former = statement()
    items = tuple(replace(one, words=word) if one.words else one for one in former.items)
    whole = replace(
        former, site=word, subject=subject(**texts, authority="", patient_name=word.replace("=", "^")),
        items=(*items, replace(former.items[0], code=COMMENT, value=word, words="")), sentences=(word,),
    )  # fmt: skip
    message = hl7.parse(message_of(whole, TEMPLATE).decode("utf-8"))
    plain = " ".join(word.replace("\x0b", " ").replace("\x1c", " ").split())

    def text(field: object) -> str:
        return re.sub(r"\\([EFSTR])\\", lambda one: LETTERS[one[1]], str(field))

    assert [str(one[0]) for one in message] == ["MSH", "PID", "ORC", "OBR", *["OBX"] * (len(whole.items) + 7 - 1)]
    assert text(message.segment("MSH")[4]) == text(message.segment("OBR")[18]) == plain
    assert text(message.segment("PID")[3]) == plain
    comments = [text(one[5]) for one in message.segments("OBX") if str(one[3][0][0]) in ("121106", "111412")]
    assert comments == [plain, plain]
    coded = [one[5][0] for one in message.segments("OBX") if str(one[2]) == "CWE"]
    words = {text(one[8]) for one in coded if len(one) > 8}
    assert words == {plain, "Kette"}
