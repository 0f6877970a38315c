"""Reasons of a verdict in plain words, with the numbers behind them; objects and REST keep the whole text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.language.catalogue import SOURCE, numerals, reworded, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_entries, gate_entries
from miqa_node.core.words.phrases import CERTAINTIES, CERTAINTY_LIMITS, GRADE_LIMITS, GRADES

UNUSUAL = "Unusual image"
_FINDING = re.compile(r"(.+?)(?: \((limit .+)\))?: probability ([\d.]+), severity ([\d.]+)")
_UNUSUAL = re.compile(r"Unusual image \(top (.+?) of (.+)\)")
"""Findings in results of an earlier version, which did not store what its texts were made of."""


@dataclass(frozen=True, slots=True)
class PlainReason:
    """A reason in the page's language: its ``title``, that with the grades, and the numbers; those may be empty."""

    title: str
    words: str
    figures: str = ""
    is_unusual: bool = False
    """It is not a defect by itself; pages show it as a badge."""

    @property
    def whole(self) -> str:
        """The words with the numbers in parentheses."""
        return f"{self.words} ({self.figures})" if self.figures else self.words


def plain(text: str) -> PlainReason:
    """A reason as people read it; a reason without grades in its own words.

    >>> plain("Motion blur: probability 0.93, severity 0.70").whole
    'Motion blur – certain, marked (probability 0.93, severity 0.70)'
    >>> plain("Unusual image (top 0.1 % of the training images)").figures
    'top 0.1 % of the training images'
    """
    if isinstance(text, Phrase) and "probability" in text.values and "finding" in text.values:
        return _of_finding(text.values)
    if finding := _FINDING.fullmatch(text):
        names = ("finding", "limit", "probability", "severity")
        return _of_finding({name: one for name, one in zip(names, finding.groups(), strict=True) if one})
    if text.startswith(UNUSUAL):
        title = say(UNUSUAL)
        return PlainReason(title, title, numerals(_share(text)), is_unusual=True)
    whole = numerals(reworded(text))
    return PlainReason("; ".join(dict.fromkeys(titles_in(text))), whole)


def titles_in(text: str) -> list[str]:
    """The findings and measurements that a text is about, each without its numbers; the text, if it names none."""
    if not isinstance(text, Phrase):
        return [numerals(reworded(text))]
    if named := text.values.get("measurement") or text.values.get("finding"):
        return [reworded(named)]
    inner = [one for name, one in text.values.items() if name in ("reasons", "text") or name.startswith("part")]
    return [title for one in inner for title in titles_in(one)] or [numerals(reworded(text))]


def _share(text: str) -> str:
    """How unusual an image is; empty if it is not known."""
    values = text.values if isinstance(text, Phrase) else {}
    if not values and (earlier := _UNUSUAL.fullmatch(text)):
        values = {"share": earlier[1], "images": earlier[2]}
    return say("top {share} of {images}", **{name: reworded(one) for name, one in values.items()}) if values else ""


def _of_finding(values: Mapping[str, str]) -> PlainReason:
    title = reworded(values["finding"])
    severity = None if values["finding"] in _gates() else float(values["severity"])
    grades = _grades(float(values["probability"]), severity)
    figures = {name: values[name] for name in ("probability", "severity")}
    numbers = [say("probability {probability}, severity {severity}", **figures)]
    numbers += [reworded(values["limit"])] if "limit" in values else []
    return PlainReason(title, f"{title} – {grades}", ", ".join(map(numerals, numbers)))


def _grades(probability: float, severity: float | None) -> str:
    certainty = say(CERTAINTIES[bisect_right(CERTAINTY_LIMITS, probability)])
    return certainty if severity is None else f"{certainty}, {say(GRADES[bisect_right(GRADE_LIMITS, severity)])}"


def _gates() -> set[str]:
    """Titles of another kind of image, which is not a defect and has no severity."""
    entries = (*gate_entries().values(), finding_entries()[FindingName.GATE])
    return {entry.words[SOURCE].title for entry in entries}
