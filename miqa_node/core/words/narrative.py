"""Describes an image's assessment and the next steps in sentences; the same facts always give the same text.

Report, pages, JSON and PDF have the same sentences, with no facts beyond assessment and disposition. A machine-written
caption (:mod:`miqa_node.stages.assess.caption`) comes last, and each of its sentences is marked.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.deciding import findings_in_order
from miqa_node.core.domain.finding import Finding, FindingName, FindingWords, humanised
from miqa_node.core.domain.measurand import every_measurand
from miqa_node.core.domain.reassessment import KEPT_FLAG
from miqa_node.core.domain.verdict import EXPERIMENTAL, Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import SOURCE, numerals, reworded, say, spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_entries, finding_title, finding_words, gate_entries
from miqa_node.core.words import phrases
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.core.words.object_words import hint_of, title_of
from miqa_node.core.words.picture_place import place_in_picture
from miqa_node.core.words.search_words import search_words, searched
from miqa_node.core.words.voice import Voice, voice

UNJUDGED = frozenset({"not_assessed", EXPERIMENTAL, "report_failed", KEPT_FLAG})
"""Names of reasons that say what keeps the verdict from being one about the image."""

UNUSUAL_PERCENTILE = 95.0
"""Minimum percentile at which the narrative mentions the anomaly, whether or not the policy flags it."""
MOST_DECADES = 99.0
"""Powers of ten of the dose that are written out; more is a mistake in the header."""
EDGES = ("edge_slope_10_90", "edge_width_10_90")


class Part(StrEnum):
    """The subject of a sentence."""

    VERDICT = "verdict"
    FINDING = "finding"
    MEASUREMENT = "measurement"
    PLAUSIBILITY = "plausibility"
    ANOMALY = "anomaly"
    PREDICTION = "prediction"
    ADVICE = "advice"
    CAPTION = "caption"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and its subject."""

    part: Part
    text: str


def narrative(assessment: Assessment, disposition: Disposition, language: str = SOURCE) -> tuple[str, ...]:
    """The sentences in reading order: verdict, what flags and what to do, then what is below its limit, and numbers."""
    return tuple(sentence.text for sentence in sentences(assessment, disposition, language))


def sentences(assessment: Assessment, disposition: Disposition, language: str = SOURCE) -> tuple[Sentence, ...]:
    """The same with the subject of each; SettingsError if the language is not available."""
    speaker = voice(language)
    parts = (
        (Part.VERDICT, _verdict(assessment, disposition, speaker)),
        (Part.FINDING, _flagging(assessment, disposition, speaker)),
        (Part.ADVICE, _advice(assessment, disposition, speaker)),
        (Part.FINDING, _others(assessment, disposition, speaker)),
        (Part.MEASUREMENT, _measurements(assessment, disposition, speaker)),
        (Part.PLAUSIBILITY, _plausibility(assessment, speaker)),
        (Part.ANOMALY, _anomaly(assessment, disposition, speaker)),
        (Part.PREDICTION, _predictions(assessment, speaker)),
        (Part.CAPTION, _caption(assessment, speaker)),
    )
    return tuple(Sentence(part, text) for part, texts in parts for text in texts)


def advice(reason: Reason, assessment: Assessment | None, language: str = SOURCE) -> str:
    """The next step for one reason of a disposition; empty if there is none."""
    gate = assessment.gate_class if assessment is not None else None
    if reason.name == FindingName.GATE and gate is not None:
        entry = gate_entries().get(gate)
        return "" if entry is None else entry.words_in(language).hint
    part = assessment.known_header.body_part_examined if assessment is not None else ""
    parts, elsewhere = phrases.ELSEWHERE.get(reason.name, ((), ""))
    if part and elsewhere and not any(one in part for one in parts):
        return voice(language).say(elsewhere)
    finding = next((one for one in assessment.findings if one.name == reason.name), None) if assessment else None
    if finding is not None:
        return hint_of(finding, language)
    if reason.name in finding_entries():
        return finding_entries()[FindingName(reason.name)].words_in(language).hint
    return voice(language).say(phrases.ADVICE[reason.name]) if reason.name in phrases.ADVICE else ""


def _verdict(assessment: Assessment, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    if (search := searched(disposition)) is not None:
        with spoken(speaker.language):
            yield f"{say(disposition.verdict.words)}. {search_words(search)}"
    else:
        yield speaker.say(phrases.EXPERIMENT if disposition.experimental else phrases.VERDICTS[disposition.verdict])
    unjudged = [r.text for r in disposition.reasons if r.name in UNJUDGED]
    if assessment.not_assessed and assessment.not_assessed not in unjudged:
        unjudged.insert(0, assessment.not_assessed)
    yield from (_reworded(text, speaker) for text in unjudged)
    if disposition.verdict is Verdict.ACCEPT and assessment.not_assessed and not assessment.findings:
        yield speaker.say(phrases.BY_MEASUREMENTS)
    if assessment.score is not None and assessment.gate_class is None:
        yield speaker.say(phrases.SCORE, score=f"{assessment.score:.0f}")


def _flagging(assessment: Assessment, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    """Yield the gate, or the findings that flag, the deciding one first."""
    gate = assessment.gate_class
    if gate is not None:
        yield speaker.say(
            phrases.GATE,
            gate=finding_title(gate, speaker.language),
            probability=_percent(assessment.gate.get(gate, 1.0)),
        )
        return
    flagging, others = findings_in_order(assessment, disposition)
    yield from (_finding(one, assessment, speaker) for one in flagging)
    if assessment.findings and not (flagging or others):
        yield speaker.say(phrases.NO_DEFECT)


def _others(assessment: Assessment, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    """Yield the findings that are present and flag nothing, marked as that."""
    if assessment.gate_class is None:
        for one in findings_in_order(assessment, disposition)[1]:
            yield speaker.say(phrases.BELOW_LIMIT, finding=_finding(one, assessment, speaker))


def _finding(finding: Finding, assessment: Assessment, speaker: Voice) -> str:
    words = finding_words(finding, speaker.language)
    probability = _percent(finding.probability)
    if finding.name == FindingName.GATE:  # no known class
        return speaker.say(phrases.GATE, gate=words.title, probability=probability)
    entry = finding_entries().get(finding.name)
    grade = bisect_right(phrases.GRADE_LIMITS, finding.severity)
    like = _like(words, entry.severity.sizes if entry is not None else (), grade, speaker)
    place = place_in_picture(finding, assessment)
    where = f" {speaker.say(phrases.SEEN, place=speaker.say(place))}" if place else ""
    title = title_of(finding, speaker.language)
    text = speaker.say(
        phrases.FINDING_LIKE if like else phrases.FINDING,
        finding=title, grade=speaker.say(phrases.GRADES[grade]), like=like, probability=probability,
    )  # fmt: skip
    return text + where


def _like(words: FindingWords, sizes: Sequence[str], grade: int, speaker: Voice) -> str:
    """A comparison for the severity; empty if the finding has none."""
    if len(words.sizes) == len(phrases.GRADES):
        return words.sizes[grade]
    if words.like and len(sizes) == len(phrases.GRADES):
        return words.like.format(size=speaker.numerals(sizes[grade]))
    return ""


def _measurements(assessment: Assessment, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    for reason in disposition.reasons:
        measured = assessment.measurement(reason.name)
        values = reason.text.values if isinstance(reason.text, Phrase) else {}
        if measured is not None and "limit" in values and "concern" not in values:
            rule = next((rule for how, rule in phrases.RULES.items() if f" {how} " in reason.text), "")
            shown = {name: _reworded(values[name], speaker) for name in ("value", "limit")}
            yield speaker.say(rule, measurement=_name(measured, speaker), **shown)
            continue
        if measured is not None and f"{humanised(reason.name)} " not in reason.text:
            yield _reworded(reason.text, speaker)  # already a whole sentence
            continue
        for how, rule in phrases.RULES.items():
            # The policy's wording: the measurement's name and value, "is above" or "is below", the limit.
            value, figure, limit = reason.text.removeprefix(f"{humanised(reason.name)} ").partition(f" is {how} ")
            if measured is not None and figure:
                shown = {"value": speaker.numerals(value), "limit": speaker.numerals(limit)}
                yield speaker.say(rule, measurement=_name(measured, speaker), **shown)
    by_name = {m.name: m for m in assessment.measurements if math.isfinite(m.value)}
    edges = next((name for name in EDGES if name in by_name), "")
    spoken = sorted((one for one in every_measurand() if one.phrase), key=lambda one: one.phrase_rank)
    chosen = [(one.phrase, by_name[one.name]) for one in spoken if one.name in by_name]
    texts = [_measured(phrase, m, speaker) for phrase, m in chosen if m.name not in EDGES or m.name == edges]
    if texts:
        yield speaker.say(phrases.MEASURED, list=", ".join(texts))


def _measured(phrase: str, measured: Measurement, speaker: Voice) -> str:
    value = speaker.number(measured.value)
    if measured.name == "deviation_index":
        # IEC 62494-1: ten times the common logarithm of the exposure over the intended one.
        exponent = max(-MOST_DECADES, min(measured.value / 10.0, MOST_DECADES))
        return speaker.say(phrase, value=value, factor=speaker.number(10.0**exponent))
    return speaker.say(phrase, value=value, percent=f"{value} %")


def _name(measured: Measurement, speaker: Voice) -> str:
    """The name of a measurement in reports."""
    return speaker.say(measurement_code(measured.name).meaning)


def _plausibility(assessment: Assessment, speaker: Voice) -> Iterator[str]:
    for issue in assessment.plausibility:
        phrase = phrases.PLAUSIBILITY.get(issue.name)
        # The numbers of a phrase are those of the message, in this order.
        values = zip(re.findall(r"{(\w+)}", phrase or ""), re.findall(r"\d+", issue.message), strict=False)
        yield _reworded(issue.message, speaker) if phrase is None else speaker.say(phrase, **dict(values))


def _anomaly(assessment: Assessment, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    score = assessment.anomaly
    is_reason = any(reason.name == "anomaly" for reason in disposition.reasons)
    if score is not None and (is_reason or score.percentile >= UNUSUAL_PERCENTILE):
        text = phrases.ANOMALY_SITE if score.is_of_site else phrases.ANOMALY_TRAINING
        yield speaker.say(text, percentile=speaker.numerals(f"{score.percentile:.1f} %"))


def _predictions(assessment: Assessment, speaker: Voice) -> Iterator[str]:
    for one in assessment.predictions:
        if one.label:
            confidence = _percent(one.confidence)
            yield speaker.say(phrases.PREDICTION, package=one.package, label=one.label, confidence=confidence)
        else:
            yield speaker.say(phrases.NO_PREDICTION, package=one.package)
        if one.automated_by:
            yield _reworded(one.automated_by, speaker)
        yield from dict.fromkeys(speaker.say(phrases.PENDING[waiting.reason]) for waiting in one.pending)


def _advice(assessment: Assessment, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    is_searched = searched(disposition) is not None
    hints = (
        speaker.say(phrases.LOOK_FOR_REST)
        if is_searched and reason.name == EXPERIMENTAL
        else advice(reason, assessment, speaker.language)
        for reason in disposition.reasons
    )
    yield from dict.fromkeys(text for text in hints if text)


def _caption(assessment: Assessment, speaker: Voice) -> Iterator[str]:
    """The machine-written caption, with a mark on each sentence."""
    if assessment.caption is not None:
        for sentence in assessment.caption.sentences:
            yield speaker.say(phrases.CAPTION, writer=assessment.caption.writer, sentence=sentence)


def _reworded(text: str, speaker: Voice) -> str:
    """A sentence of another stage in this language; an unknown one is unchanged."""
    with spoken(speaker.language):
        return numerals(reworded(text))


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f}"
