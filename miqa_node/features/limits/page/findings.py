"""Limits by finding, as the page folds them: one row a finding, its rooms below, and no row without data."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.site_limit import LimitProposal, ProposedLimit


@dataclass(frozen=True, slots=True)
class FindingLimits:
    """The limits of one finding by one package, each with its place in the proposal."""

    finding: FindingName
    package: str
    limits: tuple[tuple[int, ProposedLimit], ...]

    @property
    def strengths(self) -> tuple[float, float]:
        """The lowest and the highest limit."""
        every = [one.limit.least_strength for _, one in self.limits]
        return min(every), max(every)

    @property
    def flagged(self) -> int:
        """Images that it flags."""
        return sum(one.flagged for _, one in self.limits)

    @property
    def present(self) -> int:
        """Images that have the finding in any strength."""
        return sum(one.present for _, one in self.limits)


def by_finding(proposal: LimitProposal) -> list[FindingLimits]:
    """The findings that some image has, or of which defects were simulated; those that flag most come first."""
    rooms: dict[tuple[str, FindingName], list[tuple[int, ProposedLimit]]] = {}
    for place, one in enumerate(proposal.limits):
        if one.present or one.simulated:
            rooms.setdefault((one.limit.package, one.limit.finding), []).append((place, one))
    rows = [FindingLimits(name, package, tuple(of)) for (package, name), of in rooms.items()]
    return sorted(rows, key=lambda one: (-one.flagged, -one.present, one.package, one.finding))


def unshown(proposal: LimitProposal) -> list[tuple[int, ProposedLimit]]:
    """The limits without a row; a form sends them as they are."""
    return [(place, one) for place, one in enumerate(proposal.limits) if not (one.present or one.simulated)]
