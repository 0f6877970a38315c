"""Section ``two_sides`` of a card: what each finding finds, and what it flags wrongly, at the point that ships."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from miqa_node.stages.assess.section import Section

WEAK = 0.5
"""A finding that finds less than this share of marked defects is called weak."""

Share = Annotated[float, Field(ge=0, le=1)]


class SourceSides(Section):
    """Both sides at one source. ``found``: of defects of severity 0.5 and more, ``found_severe``: of 0.75 and more."""

    defects: int
    found: Share
    found_severe: Share | None = None
    clean: int
    clean_flagged: Share


class FindingSides(Section):
    """Both sides of one finding, as means over the sources; ``found_by`` has the mean of each family of simulators.

    ``judged_present`` and ``clean_judged_present`` are what a rule without limits of its own would find and flag.
    """

    found: Share
    found_severe: Share | None = None
    clean_flagged: Share
    judged_present: Share | None = None
    clean_judged_present: Share | None = None
    found_by: dict[str, Share] = Field(default={})
    sources: dict[str, SourceSides]

    @property
    def is_weak(self) -> bool:
        """Whether it misses more marked defects than it finds."""
        return self.found < WEAK


class FlaggedShares(Section):
    """Share of unaltered images that any rule flags: the mean over sources, and each source as flagged of images."""

    share: Share
    sources: dict[str, tuple[int, int]]


class TwoSides(Section):
    """Figures of the whole node with its default policy. ``about`` says which images, simulators and packages."""

    about: str
    usable_flagged: FlaggedShares | None = None
    clean_flagged: FlaggedShares | None = None
    findings: dict[str, FindingSides]

    @property
    def weak(self) -> tuple[str, ...]:
        """Names of the weak findings."""
        return tuple(name for name, one in self.findings.items() if one.is_weak)
