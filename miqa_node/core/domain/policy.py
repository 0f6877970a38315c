"""The site's policy: the list of rules that make an image ACCEPT, REVIEW or REJECT.

:mod:`miqa_node.core.domain.decision` evaluates them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from miqa_node.core.domain.acceptance import Acceptance
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.rule import SITE, Rule, Subject, Then, Where
from miqa_node.core.domain.site_limit import SiteLimits

OF_LIMITS = "+limits."
"""Between the version of the rules and the number of the site's set of limits, or the name of limits of a file."""


def rules_version(version: str) -> str:
    """The version of a policy without its set of limits, which changes no rule.

    >>> rules_version("2026-11-28.3+limits.4")
    '2026-11-28.3'
    >>> rules_version("2026-11-28.3+limits.learning")
    '2026-11-28.3'
    """
    return version.partition(OF_LIMITS)[0]


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules of a site, the places that they name, and the further packages that it switches on.

    ``titles`` are the English titles of findings and gate classes that reasons use. ``site_limits`` are the site's
    confirmed limits for rooms, which replace the limits of soft rules. ``obstacle`` says why nothing can be judged by
    it, so images wait; empty if they need not.
    """

    version: str
    rules: tuple[Rule, ...]
    places: tuple[Where, ...] = ()
    packages: tuple[tuple[Where, PackageRule], ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    site_limits: SiteLimits = field(default_factory=SiteLimits)
    obstacle: str = ""

    def with_limits(self, limits: SiteLimits) -> Policy:
        """The policy with the limits of the site; its version includes them, because reports contain the version."""
        if limits.are_none:
            return self
        version = f"{self.version}{OF_LIMITS}{limits.label}" if limits.label else self.version
        return replace(self, version=version, site_limits=limits)

    def place_of(self, header: Header, kind: str = "") -> Where | None:
        """The most specific place that covers an image, the first of equal ones; None if none does.

        An assessment of an earlier version has no kind; then kinds do not count.
        """
        covering = [one for one in self.places if (one if kind else _of_any_kind(one)).covers(header, kind)]
        return next((one for one in covering if not any(other.is_narrower(one) for other in covering)), None)

    def covering(self, header: Header, kind: str = "") -> list[Rule]:
        """All rules that cover an image; :func:`most_specific` says which of them apply."""
        of_kind = self._known_kind(header, kind)
        return [rule for rule in self.rules if rule.where.covers(header, of_kind)]

    def _known_kind(self, header: Header, kind: str) -> str:
        place = None if kind else self.place_of(header)
        return kind or (place.kind[0] if place is not None and place.kind else "")

    def tables_for(self, header: Header, kind: str = "") -> list[Acceptance]:
        """Which measurements suffice for ACCEPT in images such as this one: its own, then those of all body parts."""
        place, of_kind = self.place_of(header, kind), self._known_kind(header, kind)
        here = ("", place.name if place is not None else "")
        of_all = [one for one in self.rules if one.acceptance is not None and one.where.name in here]
        best = most_specific([one for one in of_all if one.where.covers(header, of_kind)])
        covering = [one for one in of_all if _of_any_part(one.where).covers(header, of_kind)]
        return [one.acceptance for one in (*best, *covering) if one.acceptance is not None]

    def packages_for(self, header: Header) -> tuple[PackageRule, ...]:
        """Of each further package that is switched on for an image the most specific rule."""
        best: dict[str, tuple[Where, PackageRule]] = {}
        for where, rule in self.packages:
            if where.covers(header, "") and (rule.package not in best or where.is_narrower(best[rule.package][0])):
                best[rule.package] = where, rule
        return tuple(rule for _, rule in best.values())

    def of(self, subject: Subject) -> Iterator[Rule]:
        """The rules about findings, measurements or contradictions that are no rules for ACCEPT."""
        return (rule for rule in self.rules if rule.subject is subject and rule.then is not Then.ACCEPT)

    @property
    def soft(self) -> frozenset[FindingName]:
        """The findings for which rooms can have limits of their own."""
        return frozenset(FindingName(rule.what) for rule in self.of(Subject.FINDING) if rule.soft)

    def trusting(self) -> Policy:
        """The same, where whatever a model finds or a limit tells counts, by the site's word."""
        rules = (replace(rule, evidence=(SITE,), figures=(), tried=()) for rule in self.rules if not rule.flags_alone)
        return replace(self, rules=tuple(rules))

    def silencing(self, findings: Collection[str]) -> Policy:
        """The same, where these findings are only listed."""
        rules = (
            replace(rule, then=Then.HINT) if rule.subject is Subject.FINDING and rule.what in findings else rule
            for rule in self.rules
        )
        return replace(self, rules=tuple(rules))


def most_specific(rules: Sequence[Rule]) -> list[Rule]:
    """Of rules about the same what and then the most specific one, in the order of the policy.

    A more specific rule that asks for a hint also takes the place of those that flag.
    """
    best: dict[tuple[str, ...], Rule] = {}
    for rule in rules:
        before = best.setdefault(rule.about, rule)
        if rule.is_narrower(before):
            best[rule.about] = rule
    hints: dict[tuple[str, ...], list[Rule]] = {}
    for rule in rules:
        if rule.then is Then.HINT:
            hints.setdefault(rule.about[:-1], []).append(rule)
    return [rule for rule in best.values() if not any(_silences(hint, rule) for hint in hints.get(rule.about[:-1], ()))]


def _of_any_kind(place: Where) -> Where:
    return replace(place, kind=()) if place.kind else place


def _of_any_part(place: Where) -> Where:
    return replace(place, body_part=()) if place.body_part else place


def _silences(hint: Rule, rule: Rule) -> bool:
    flags = rule.then in (Then.REVIEW, Then.REJECT)
    return flags and hint.is_default <= rule.is_default and hint.is_narrower(rule)
