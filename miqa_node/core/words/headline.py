"""The main findings of an image and their places in at most twelve words, for pages and room displays.

Of a series that nothing flags, in what no fault was found, and what was not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.verdict import EXPERIMENTAL, UNFIT, Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import SOURCE, numerals, reworded, spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_entries, finding_title
from miqa_node.core.words.object_words import title_of
from miqa_node.core.words.phrases import AT, NOTHING_FOUND
from miqa_node.core.words.reason import plain
from miqa_node.core.words.search_words import search_headline, searched
from miqa_node.core.words.voice import Voice, voice

MAX_WORDS = 12
SHOWS_ANOTHER = frozenset({"pixels_contradict_body_part", "another_kind"})
"""Reasons that come before all others, which suppose that the image shows what its header says."""
OF_SEARCH = frozenset({EXPERIMENTAL, UNFIT, "not_assessed"})
"""Reasons that say why a series has no verdict, and nothing of its slices."""
_UNUSUAL = "anomaly"


def headline(assessment: Assessment | None, disposition: Disposition, language: str = SOURCE) -> str:
    """The deciding findings, worst first, each with its place; without a finding, the first other reason."""
    speaker = voice(language)
    if disposition.verdict is Verdict.ACCEPT:
        return speaker.say(NOTHING_FOUND)
    if (search := searched(disposition)) is None:
        return _of_reasons(assessment, disposition, speaker)
    others = tuple(one for one in disposition.reasons if one.name not in OF_SEARCH)
    text = _of_reasons(assessment, replace(disposition, reasons=others), speaker)
    with spoken(speaker.language):
        return ". ".join(filter(None, (text, search_headline(search))))


def _of_reasons(assessment: Assessment | None, disposition: Disposition, speaker: Voice) -> str:
    named = list(dict.fromkeys(_named(assessment, disposition, speaker)))
    text = ""
    for one in named:
        longer = f"{text}; {one}" if text else one
        if text and len(longer.split()) > MAX_WORDS:
            break
        text = longer
    words = text.split()
    return text if len(words) <= MAX_WORDS else " ".join(words[:MAX_WORDS]).rstrip(".,;:") + " …"


def is_whole(finding: Finding) -> bool:
    """Whether the finding concerns the whole image, so an outline would mislead."""
    entry = finding_entries().get(finding.name)
    return finding.peak is None if entry is None else entry.region == "whole"


def _named(assessment: Assessment | None, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    findings = {one.name: one for one in assessment.findings} if assessment is not None else {}
    entries = finding_entries()
    worst_first = sorted(disposition.reasons, key=lambda reason: -reason.verdict.rank)
    yield from (_other(reason, speaker) for reason in worst_first if reason.name in SHOWS_ANOTHER)
    for reason in worst_first:
        if reason.name in findings or reason.name in entries:
            yield _finding(reason, findings.get(FindingName(reason.name)), assessment, speaker)
    before = {*findings, *entries, *SHOWS_ANOTHER}
    others = [reason for reason in worst_first if reason.name not in before]
    for reason in others:
        if reason.name != _UNUSUAL or len(worst_first) == 1:  # unusual is not wrong: only without any other reason
            yield _other(reason, speaker)


def _other(reason: Reason, speaker: Voice) -> str:
    """A reason that is no finding: what was measured and where, or its sentence; numbers stand below a headline."""
    values = reason.text.values if isinstance(reason.text, Phrase) else {}
    with spoken(speaker.language):
        if "measurement" not in values or "value" not in values:
            return plain(reason.text).words.rstrip(".")
        value = values["value"]
        place = value.values.get("place", "") if isinstance(value, Phrase) else ""
        return numerals(", ".join(reworded(one) for one in (values["measurement"], place) if one))


def _finding(reason: Reason, finding: Finding | None, assessment: Assessment | None, speaker: Voice) -> str:
    gate = assessment.gate_class if assessment is not None else None
    if reason.name == FindingName.GATE and gate is not None:
        return finding_title(gate, speaker.language)
    if finding is None:
        return finding_title(reason.name, speaker.language)
    title = title_of(finding, speaker.language)
    if finding.peak is None or finding.place is not None or is_whole(finding):
        return title
    across, down = (min(int(3 * share), 2) for share in finding.peak)
    return f"{title}, {speaker.say(AT[down][across])}"
