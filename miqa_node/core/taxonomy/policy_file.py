"""Reads the site's ``policy.toml``: places, evidence, rules and packages become the policy that ``decide`` applies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import structlog

from miqa_node.core.domain.measurand import WITHDRAWN, is_withdrawn
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.rule import Rule, Subject, Where
from miqa_node.core.taxonomy.entries import check_keys, flag, number, required, rules
from miqa_node.core.taxonomy.evidence_tables import Evidence, parse_evidence
from miqa_node.core.taxonomy.lookup import finding_entries, finding_title, gate_entries
from miqa_node.core.taxonomy.places import PLACE_KEYS, parse_places, parse_where
from miqa_node.core.taxonomy.rule_tables import combined_rules, parse_rule
from miqa_node.errors import FormerPolicyError, SettingsError

log = structlog.get_logger(__name__)

KEYS = ("version", "where", "evidence", "rule", "package")


def parse_policy(document: Mapping[str, Any], text: str = "") -> Policy:
    """Read the tables of ``policy.toml``; ``text`` is the file itself, so that errors can name its lines.

    Raises
    ------
    FormerPolicyError
        It has the form of earlier versions, which `miqa-node policy convert` reads.
    SettingsError
        Anything else is wrong; it names the rule, its line and the key.
    """
    if "scope" in document:
        raise FormerPolicyError
    version = document.get("version")
    if not isinstance(version, str) or not version:
        raise SettingsError('policy.toml: give it a version, for example version = "2026-01".')
    lines = Lines(text)
    try:
        check_keys(document, KEYS)
        evidence, places = parse_evidence(document), parse_places(document)
        of_file = _rules(document, places, evidence, lines)
        read = tuple(replace(rule, number=count) for count, rule in enumerate(of_file, 1))
        packages = tuple(rules(document, "package", lambda one: _package(one, places)))
    except ValueError as error:
        raise SettingsError(f"policy.toml: {error}") from error
    if not read:
        raise SettingsError("policy.toml: there is no [[rule]]; without one no image gets a verdict.")
    _check_conflicts(read)
    for name in withdrawn_measurements(read):
        log.warning("withdrawn measurement in the policy", name=name, now=WITHDRAWN[name].successor)
    titles = {str(name): finding_title(name) for name in (*finding_entries(), *gate_entries())}
    return Policy(version, read, tuple(places.values()), tuple(each for one in packages for each in one), titles)


def withdrawn_measurements(of: Sequence[Rule]) -> list[str]:
    """Measurements that rules name and that are no longer taken.

    Their rules are without effect, and where ACCEPT asks for one nothing is accepted.
    """
    named = {rule.what for rule in of if rule.subject is Subject.MEASUREMENT}
    named |= {name for rule in of if rule.acceptance is not None for name in rule.acceptance.measured}
    return sorted(filter(is_withdrawn, named))


class Lines:
    """Where rules stand in the text of a policy; without the text by their number alone."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        heads = (number for number, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line))
        self._heads = [*heads, len(self._lines)]

    def of(self, place: int, name: str) -> str:
        """Where the rule of that number, from 1, says something of a name."""
        if place >= len(self._heads):
            return f"rule {place}"
        first, end = self._heads[place - 1], self._heads[place]
        named = (number for number in range(first, end) if f'"{name}"' in self._lines[number])
        return f"line {next(named, first) + 1}"


def _rules(
    document: Mapping[str, Any], places: Mapping[str, Where], evidence: Mapping[str, Evidence], lines: Lines
) -> Iterator[Rule]:
    """What a [[rule]] says holds for each of its entries ``each``, if it has some."""
    read: list[Rule] = []
    for place, table in enumerate(rules(document, "rule", dict), 1):
        shared = {key: value for key, value in table.items() if key != "each"}
        entries = list(rules(table, "each", dict)) if "each" in table else [{}]
        for entry in entries:
            rule_table = {**shared, **entry}
            try:
                read += parse_rule(rule_table, places, evidence, partial(lines.of, place))
            except ValueError as error:
                what = next(
                    (rule_table[one.value] for one in Subject if isinstance(rule_table.get(one.value), str)), ""
                )
                raise ValueError(f"{lines.of(place, what)}: {error}") from error
    yield from read
    yield from combined_rules(read, places)


def _check_conflicts(of: Sequence[Rule]) -> None:
    """SettingsError if two rules about the same what and then are equally specific for an image."""
    competing: dict[tuple[str, ...], list[Rule]] = {}
    for rule in of:
        if rule.acceptance is None or not rule.acceptance.parts:
            competing.setdefault(rule.about, []).append(rule)
    for rules_about in competing.values():
        for one, other in combinations(rules_about, 2):
            if one.where.meets(other.where) and not one.is_narrower(other) and not other.is_narrower(one):
                what = one.what or one.subject
                raise SettingsError(
                    f"policy.toml: {one.line} and {other.line} are two rules about {what} and {one.then} for the same "
                    "images, and neither names more of them; narrow one of them down, or take it out."
                )


def _package(table: Mapping[str, Any], places: Mapping[str, Where]) -> list[tuple[Where, PackageRule]]:
    check_keys(table, ("name", "min_confidence", "max_percentile", "accepted_only", *PLACE_KEYS))
    rule = PackageRule(
        required(table, "name"),
        number(table, "min_confidence", None, 1.0),
        number(table, "max_percentile", None, 100.0),
        flag(table, "accepted_only", None),
    )
    return [(where, rule) for where in parse_where(table, places)]
