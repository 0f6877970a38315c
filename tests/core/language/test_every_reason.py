"""Each reason, each place and each headline that the node can show, in each language, as a whole."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.domain.reason_texts import counted_text, finding_text, measured_text, unusual_text
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import SOURCE, languages, reworded, spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import all_finding_names, finding_title, gate_entries, reason_code
from miqa_node.core.taxonomy.reasons import OTHER_REASONS
from miqa_node.core.words.headline import headline
from miqa_node.core.words.next_step import next_step
from miqa_node.core.words.reason import plain
from tests.core.language.sources import ROOT, _phrases
from tests.core.language.test_phrases import ENGLISH, MESSAGES, _phrase
from tests.core.language.untranslated import translated_part

pytestmark = pytest.mark.more

NOW = datetime(2026, 11, 20, tzinfo=UTC)
USUAL = UsualRange("noise_share", "1", 1.0, 2.0, 30, NOW)
FOREIGN = re.compile(ENGLISH.pattern.replace("was|", ""))
"""English words that are no German ones."""
ATTRIBUTES = re.compile(r"\b(Images in Acquisition|Number of Slices|Instance Numbers?|Slice Location)\b")
"""Attributes of DICOM are called the same in every language."""
MEASURING = (ROOT / "stages" / "measure", ROOT.parent / "packages" / "miqa-node-series")
MODULES = [path for folder in MEASURING for path in folder.rglob("*.py")]
PLACES = sorted({text for path in MODULES for text in _phrases(ast.parse(path.read_text("utf-8")))})
"""Where in a series or image something was measured, and why it was not."""


def assessment(finding: Finding | None = None) -> Assessment:
    header = Header(
        "1.2", SopInstanceUid("1"), SeriesInstanceUid("2"), StudyInstanceUid("3"), "1.2", "DX",
        body_part_examined="CHEST", view_position="PA",
    )  # fmt: skip
    return Assessment(InstanceDigest("ab"), header, NOW, findings=() if finding is None else (finding,))


def found(name: str, peak: tuple[float, float] | None) -> Finding:
    return Finding(FindingName(name), reason_code(name), 0.9, 0.6, 0.5, peak)


def cases() -> Iterator[tuple[str, Assessment, Reason]]:
    """(what it is, an image, the reason of its verdict)."""
    for finding in all_finding_names():
        for across in (0.1, 0.5, 0.9):
            for down in (0.1, 0.5, 0.9):
                words = finding_text(finding_title(finding), 0.9, 0.6)
                yield (
                    f"{finding} at {across}, {down}",
                    assessment(found(finding, (across, down))),
                    reason(finding, words),
                )
    for gate, entry in gate_entries().items():
        yield gate, assessment(), reason("gate", finding_text(entry.words["en"].title, 0.9, 0.6))
    for name, measurand in MEASUREMENTS.all().items():
        for side in ("above", "below"):
            measured = Measurement(name, 7.4, measurand.unit, Phrase("slice {number} of {count}", number=3, count=9))
            for words in (measured_text(measured, side, 5.0), unusual_text(measured, USUAL, side)):
                yield f"{name} {side}", assessment(), reason(name, words)
        yield f"{name} counted", assessment(), reason(name, counted_text(measured))
    for place in PLACES:
        measured = Measurement("ct_noise", 7.4, "[hnsf'U]", _phrase(place))
        yield f"at “{place}”", assessment(), reason("ct_noise", measured_text(measured, "above", 5.0))
    for name, text in OTHER_REASONS.items():
        yield name, assessment(), reason(name, Phrase(text))
    for text in MESSAGES:
        yield text, assessment(), reason("not_assessed", _phrase(text))


def reason(name: str, text: str) -> Reason:
    return Reason(name, text, OTHER_FAILURE, Verdict.REVIEW)


@pytest.mark.parametrize("language", languages())
def test_each_reason_place_and_headline_is_said_in_each_language(language: str) -> None:
    wrong = []
    counted = 0
    for what, image, because in cases():
        disposition = Disposition(Verdict.REVIEW, (because,), "1", "")
        with spoken(language):
            texts = {
                "headline": headline(image, disposition, language), "reason": plain(because.text).whole,
                "whole": reworded(because.text), "to do": next_step(image, disposition),
            }  # fmt: skip
        counted += 1
        for part, text in texts.items():
            english = FOREIGN.search(ATTRIBUTES.sub("", translated_part(text, language)))
            if not text or "{" in text or (language != SOURCE and english):
                wrong.append(f"{what}: {part}: {text}")
    assert counted > 800
    assert wrong == []
