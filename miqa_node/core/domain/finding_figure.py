"""What a model is known to find of one finding, which may then flag images that are not judged as a whole.

A kept figure (:mod:`miqa_node.core.domain.kept_figure`) is about all findings together and may make an image ACCEPT;
this one lets a single finding ask for REVIEW, and makes nothing ACCEPT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.kept_figure import KeptFigure
from miqa_node.core.domain.kept_figure import kind_of as part_and_view
from miqa_node.core.language.phrase import Phrase, joined

LEAST_AUROC = 0.95
"""On sources that taught the package nothing; a finding below it stays a hint."""


@dataclass(frozen=True, slots=True)
class FindingFigure:
    """A finding of a package, its AUROC, and the point from which it flags; ``figure`` has what is found there.

    ``flagged``: the share of unaltered images, of all sources together, that all findings with such figures flag.
    """

    finding: FindingName
    auroc: float
    flagged: float
    min_probability: float
    min_severity: float
    figure: KeptFigure

    @property
    def may_flag(self) -> bool:
        """Whether the finding tells defects well enough to ask for a look."""
        return self.auroc >= LEAST_AUROC

    def reached(self, finding: Finding) -> bool:
        """Whether a finding is at or beyond the point."""
        return finding.probability >= self.min_probability and finding.severity >= self.min_severity


def flagging_alone(figures: Sequence[FindingFigure], assessment: Assessment) -> Mapping[FindingName, FindingFigure]:
    """The findings that may flag this image although it is not judged as a whole; a figure that comes first counts."""
    header, names = assessment.header, {one.name for one in assessment.findings}
    mine: dict[FindingName, FindingFigure] = {}
    for one in figures:
        if one.may_flag and one.finding in names and _concerns(one.figure, assessment, header):
            mine.setdefault(one.finding, one)
    return mine


def _concerns(figure: KeptFigure, assessment: Assessment, header: Header) -> bool:
    is_of_age = header.age_years is None or header.age_years >= figure.least_age_years
    return figure.covers(header) and figure.is_of(assessment.model) and is_of_age


def not_as_a_whole(header: Header) -> Phrase:
    """Why an image of which single findings are known is not accepted if nothing was found."""
    return Phrase("Not judged as a whole: {part} is not switched on here.", part=part_and_view(header))


def looked_for(names: Sequence[FindingName], titles: Mapping[str, str]) -> Phrase:
    """What was looked for in such an image, and not found."""
    words = joined(", ", [Phrase(titles.get(name, name)) for name in names])
    return Phrase("Looked for: {findings}; none was found.", findings=words)
