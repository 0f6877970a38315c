"""The main findings of an image and their places in at most twelve words, for pages and room displays.

Of what nothing flags, whether it was looked at: not at all, in part, or in vain, as the policy never accepts it.
"""

from __future__ import annotations

from collections.abc import Iterator

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.deciding import deciding_first
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.reassessment import KEPT_FLAG
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import SOURCE, numerals, reworded, say, spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_entries, finding_title
from miqa_node.core.words.object_words import title_of
from miqa_node.core.words.phrases import NOTHING_FOUND
from miqa_node.core.words.picture_place import place_in_picture
from miqa_node.core.words.reason import plain, titles_in
from miqa_node.core.words.search_words import OF_LOOK, is_unflagged, look_words, shortened
from miqa_node.core.words.voice import Voice, voice

MAX_WORDS = 12
_UNUSUAL = "anomaly"


def headline(assessment: Assessment | None, disposition: Disposition, language: str = SOURCE) -> str:
    """The deciding findings, worst first, each with its place; without a finding, the first other reason."""
    speaker = voice(language)
    standing = next((one for one in disposition.reasons if one.name == KEPT_FLAG), None)
    if disposition.verdict is Verdict.ACCEPT and standing is None:
        return speaker.say(NOTHING_FOUND)
    text = _of_reasons(assessment, disposition, speaker)
    with spoken(speaker.language):
        if standing is not None and not disposition.verdict.flagged:
            return say(
                "Still listed, as no later judgement could take it back: {reasons}",
                reasons="; ".join(titles_in(standing.text)),
            )
        return ". ".join(filter(None, (text, look_words(assessment, disposition))))


def told_reasons(assessment: Assessment | None, disposition: Disposition) -> list[Reason]:
    """The reasons, the deciding one first; without those that only say how it was looked at.

    Unusual is not wrong: only without any other reason. What flags nothing follows findings.
    """
    names = {*finding_entries(), *(one.name for one in (assessment.findings if assessment is not None else ()))}
    every = deciding_first(disposition)
    reasons = [one for one in every if one.name not in OF_LOOK or not is_unflagged(disposition)]
    without = [one for one in reasons if one.name != _UNUSUAL or len(reasons) == 1]
    return sorted(without, key=lambda one: not one.verdict.flagged and one.name not in names)


def _of_reasons(assessment: Assessment | None, disposition: Disposition, speaker: Voice) -> str:
    named = list(dict.fromkeys(_named(assessment, disposition, speaker)))
    text = ""
    for one in named:
        longer = f"{text}; {one}" if text else one
        if text and len(longer.split()) > MAX_WORDS:
            break
        text = longer
    return shortened(text, MAX_WORDS)


def _named(assessment: Assessment | None, disposition: Disposition, speaker: Voice) -> Iterator[str]:
    findings = {one.name: one for one in assessment.findings} if assessment is not None else {}
    for reason in told_reasons(assessment, disposition):
        if reason.name in findings or reason.name in finding_entries():
            yield _finding(reason, findings.get(FindingName(reason.name)), assessment, speaker)
        else:
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
    title, place = title_of(finding, speaker.language), place_in_picture(finding, assessment) if assessment else ""
    return f"{title}, {speaker.say(place)}" if place else title
