"""Reads the site's ``policy.toml``: its tables become the rules that ``decide`` applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import structlog
from miqa_node.core.domain.finding_figure import FindingFigure

from miqa_node.core.domain.acceptance import LEAST_SCANNERS, Acceptance, ScannerTrial
from miqa_node.core.domain.codes import REASON_CODES, Code
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.kept_figure import LEAST_AGE_YEARS, KeptFigure
from miqa_node.core.domain.measurand import MEASUREMENTS, WITHDRAWN, is_withdrawn
from miqa_node.core.domain.moderate_fault import FAULT_NAMES
from miqa_node.core.domain.object_place import ChestRegion
from miqa_node.core.domain.policy import (
    AnomalyRule,
    FindingRule,
    MeasurementRule,
    PlausibilityRule,
    Policy,
    Scope,
    UsualRule,
)
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.rule import LimitSide
from miqa_node.core.domain.slice_kind import KIND_NAMES
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.taxonomy.entries import check_keys, flag, name_list, number, required, rules
from miqa_node.core.taxonomy.lookup import (
    finding_entries,
    finding_title,
    gate_entries,
    is_of_any_part,
    reason_code,
)
from miqa_node.errors import SettingsError

log = structlog.get_logger(__name__)


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Read the tables of ``policy.toml``; SettingsError names the scope and key with the error."""
    version = document.get("version")
    if not isinstance(version, str) or not version:
        raise SettingsError('policy.toml: give it a version, for example version = "2026-01".')
    scopes = document.get("scope")
    if not isinstance(scopes, Sequence) or not scopes or not all(isinstance(scope, Mapping) for scope in scopes):
        raise SettingsError("policy.toml: there is no [[scope]]; without one no image gets a verdict.")
    scopes_read = tuple(_parse_scope(scope) for scope in scopes)
    for name in withdrawn_measurements(scopes_read):
        log.warning("withdrawn measurement in the policy", name=name, now=WITHDRAWN[name].successor)
    titles = {str(name): finding_title(name) for name in (*finding_entries(), *gate_entries())}
    return Policy(version, scopes_read, titles)


def withdrawn_measurements(scopes: Sequence[Scope]) -> list[str]:
    """Measurements that rules and tables of ``accept`` name and that are no longer taken.

    Their rules are without effect, and where ``accept`` asks for one nothing is accepted.
    """
    named = {rule.measurement for scope in scopes for rule in scope.measurements}
    named |= {name for scope in scopes for table in scope.acceptances for name in table.measured}
    return sorted(filter(is_withdrawn, named))


KEYS = (
    "name", "modality", "body_part", "view", "kind", "finding", "default_findings", "ignored_findings", "measurement",
    "usual", "plausibility", "anomaly", "accept", "package", "figure", "finding_figure",
    "own_figures",
)  # fmt: skip
"""Of a scope."""
MOST_IMAGES, MOST_YEARS = 1e9, 120.0
"""Of a figure: what is more is a mistake."""


def _parse_scope(table: Mapping[str, Any]) -> Scope:
    name = table.get("name", "")
    try:
        check_keys(table, KEYS)
        return Scope(
            name=name,
            modality=tuple(name.strip().upper() for name in name_list(table, "modality")),
            body_part=tuple(sorted(STANDARD.body_parts.expanded(name_list(table, "body_part")))),
            view=tuple(sorted(STANDARD.expanded_views(name_list(table, "view")))),
            kind=_parse_kinds(table),
            findings=_parse_findings(table),
            measurements=tuple(rules(table, "measurement", _parse_measurement)),
            usual=tuple(rules(table, "usual", _parse_usual)),
            plausibility=tuple(rules(table, "plausibility", _parse_plausibility)),
            anomaly=next(rules(table, "anomaly", _parse_anomaly), None),
            packages=tuple(rules(table, "package", _parse_package)),
            ignored_findings=_parse_ignored(table),
            acceptances=_with_combined(tuple(rules(table, "accept", _parse_acceptance))),
            figures=tuple(rules(table, "figure", _parse_figure)),
            finding_figures=tuple(rules(table, "finding_figure", _parse_finding_figure)),
            own_figures=bool(flag(table, "own_figures", False)),
        )
    except ValueError as error:
        raise SettingsError(f"policy.toml: scope {name!r}: {error}") from error


def _parse_findings(table: Mapping[str, Any]) -> tuple[FindingRule, ...]:
    """The scope's own rules; with ``default_findings`` also the taxonomy's rules for all other findings."""
    own = tuple(rules(table, "finding", _parse_finding))
    if not flag(table, "default_findings", False):
        return own
    named = {*_parse_ignored(table), *(rule.finding for rule in own)}
    return own + tuple(
        FindingRule(
            name, Verdict(rule.verdict), rule.min_probability, rule.min_severity, entry.soft, rule.over, entry.any_part
        )
        for name, entry in finding_entries().items()
        if name not in named
        for rule in entry.policy
    )


def _parse_finding(rule: Mapping[str, Any]) -> FindingRule:
    check_keys(rule, ("name", "verdict", "min_probability", "min_severity", "soft", "over"))
    probability, severity = number(rule, "min_probability", 0.0, 1.0), number(rule, "min_severity", 0.0, 1.0)
    verdict, over = _verdict(rule), tuple(map(_parse_region, name_list(rule, "over")))
    name = _parse_name(required(rule, "name"), "name")
    soft = flag(rule, "soft", _is_soft(name))
    return FindingRule(name, verdict, probability, severity, soft, over, is_of_any_part(name))


def _parse_kinds(table: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = name_list(table, "kind")
    if unknown := [one for one in kinds if one not in KIND_NAMES]:
        raise ValueError(f"kind is {unknown[0]!r}; it takes {', '.join(KIND_NAMES)}.")
    if kinds and not name_list(table, "modality"):
        raise ValueError("kind is of series: name their modality, too.")
    return kinds


def _parse_region(text: str) -> ChestRegion:
    if text not in set(ChestRegion):
        raise ValueError(f"over is {text!r}; it takes {', '.join(ChestRegion)}.")
    return ChestRegion(text)


def _is_soft(name: FindingName) -> bool:
    entry = finding_entries().get(name)
    return entry is not None and entry.soft


def _parse_measurement(rule: Mapping[str, Any]) -> MeasurementRule:
    check_keys(rule, ("name", "verdict", "reason", *LimitSide))
    sides = [side for side in LimitSide if side.value in rule]
    if not sides:
        raise ValueError("a limit is missing; write above = or below = with a number.")
    if len(sides) > 1:
        raise ValueError("above and below are two limits; write a rule for each.")
    reason, finding = _parse_reason(rule)
    limit = number(rule, sides[0].value, 0.0)
    return MeasurementRule(required(rule, "name"), sides[0], limit, _verdict(rule), reason, finding)


def _parse_usual(rule: Mapping[str, Any]) -> UsualRule:
    check_keys(rule, ("name", "side", "verdict", "reason"))
    side, verdict = required(rule, "side"), required(rule, "verdict")
    if side not in set(LimitSide):
        raise ValueError(f"side is {side!r}; it takes {', '.join(LimitSide)}.")
    if verdict != Verdict.REVIEW:
        raise ValueError(f"verdict is {verdict!r}; here it can only be REVIEW, since what is unusual may be good.")
    name = required(rule, "name")
    measurand = MEASUREMENTS.all().get(name)
    if measurand is not None and not measurand.has_usual_range:
        raise ValueError(f"{name} has no usual range; docs/reference/measurements.md lists those that have one.")
    return UsualRule(name, LimitSide(side), *_parse_reason(rule))


def _parse_reason(rule: Mapping[str, Any]) -> tuple[Code, str]:
    """The code of a rule's reason, and the finding that it supports.

    It is the name of a finding, or the code value of a reason of CID 7011; then there is no finding.
    """
    text = required(rule, "reason")
    if text in REASON_CODES:
        return REASON_CODES[text], ""
    name = _parse_name(text, "reason")
    return reason_code(name), name


def _parse_acceptance(rule: Mapping[str, Any]) -> Acceptance:
    check_keys(rule, ("measured", "body_part", "tried_on"))
    measured, trials = name_list(rule, "measured"), _parse_trials(rule)
    scanners = tuple(one.scanner for one in trials) if trials else name_list(rule, "tried_on")
    if not measured:
        raise ValueError("accept: measured is missing; name the measurements that must have been taken.")
    if len(set(scanners)) < LEAST_SCANNERS:
        raise ValueError(
            "accept: tried_on names the scanners whose images showed that the limits are right, at least two of them."
        )
    parts = STANDARD.body_parts.expanded(name_list(rule, "body_part"))
    return Acceptance(measured, tuple(sorted(parts)), tuple(dict.fromkeys(scanners)), trials)


def _parse_trials(rule: Mapping[str, Any]) -> tuple[ScannerTrial, ...]:
    """The tables of ``tried_on``; empty where it is a list of names."""
    entries = rule.get("tried_on", ())
    tables = isinstance(entries, Sequence) and any(isinstance(one, Mapping) for one in entries)
    return tuple(rules(rule, "tried_on", _parse_trial)) if tables else ()


def _parse_trial(table: Mapping[str, Any]) -> ScannerTrial:
    check_keys(table, ("scanner", "series", "false_alarms", "found"))
    required(table, "series")
    shares = table.get("found", {})
    if not isinstance(shares, Mapping):
        raise ValueError(f"found is {shares!r}; it must be a table of faults and shares, such as {{ ring = 0.8 }}.")  # noqa: TRY004 - one kind for all
    check_keys(shares, FAULT_NAMES)
    return ScannerTrial(
        required(table, "scanner"),
        int(number(table, "series", 0.0, MOST_IMAGES)),
        int(number(table, "false_alarms", 0.0, MOST_IMAGES)),
        {name: number(shares, name, 0.0, 1.0) for name in shares},
    )


def _with_combined(tables: tuple[Acceptance, ...]) -> tuple[Acceptance, ...]:
    """The tables, and one for each combined term, such as CHESTABDOMEN, of which every part has one."""
    of_part = {part: table for table in reversed(tables) for part in table.body_part}
    combined = []
    for term, parts in STANDARD.body_parts.combined.items():
        if parts <= of_part.keys():
            of_parts = [of_part[part] for part in sorted(parts)]
            measured = dict.fromkeys(name for one in of_parts for name in one.measured)
            scanners = dict.fromkeys(name for one in of_parts for name in one.tried_on)
            combined.append(Acceptance(tuple(measured), (term,), tuple(scanners), parts=tuple(of_parts)))
    return (*tables, *combined)


FIGURE_KEYS = ("body_part", "view", "package", "found", "images", "source", "least_age_years")


def _parse_finding_figure(rule: Mapping[str, Any]) -> FindingFigure:
    own = ("name", "auroc", "flagged", "min_probability", "min_severity")
    check_keys(rule, (*own, *FIGURE_KEYS))
    for key in ("auroc", "flagged", "package"):
        required(rule, key)
    point = number(rule, "min_probability", 0.0, 1.0), number(rule, "min_severity", 0.0, 1.0)
    if not any(point):
        raise ValueError(
            "min_probability or min_severity is missing; without either the finding would flag everything."
        )
    auroc, flagged = number(rule, "auroc", 0.0, 1.0), number(rule, "flagged", 0.0, 1.0)
    figure = _parse_figure({key: one for key, one in rule.items() if key not in own})
    return FindingFigure(_parse_name(required(rule, "name"), "name"), auroc, flagged, *point, figure)


def _parse_figure(rule: Mapping[str, Any]) -> KeptFigure:
    check_keys(rule, FIGURE_KEYS)
    for key in ("found", "images"):
        required(rule, key)
    images = int(number(rule, "images", 0.0, MOST_IMAGES))
    if not images:
        raise ValueError("images is 0; a figure is taken on images.")
    return KeptFigure(
        found=number(rule, "found", 0.0, 1.0),
        images=images,
        source=required(rule, "source"),
        body_part=tuple(sorted(STANDARD.body_parts.expanded(name_list(rule, "body_part")))),
        view=tuple(sorted(STANDARD.expanded_views(name_list(rule, "view")))),
        package=required(rule, "package") if "package" in rule else "",
        least_age_years=int(number(rule, "least_age_years", LEAST_AGE_YEARS, MOST_YEARS)),
    )


def _parse_plausibility(rule: Mapping[str, Any]) -> PlausibilityRule:
    keeps = required(rule, "verdict") == Verdict.NOT_ASSESSED
    return PlausibilityRule(required(rule, "name"), Verdict.NOT_ASSESSED if keeps else _verdict(rule))


def _parse_name(text: str, key: str) -> FindingName:
    try:
        name = FindingName(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    entries = finding_entries()
    close = get_close_matches(name, entries, n=1, cutoff=0.9)
    if name not in entries and close:
        raise ValueError(f"{key}: there is no finding {text!r}; did you mean {close[0]!r}?")
    if name in entries and entries[name].retired:
        raise ValueError(f"{key}: no package finds {text!r} any more.")
    return name


def _parse_ignored(table: Mapping[str, Any]) -> tuple[FindingName, ...]:
    key = "ignored_findings"
    return tuple(_parse_name(name, key) for name in name_list(table, key))


def _parse_anomaly(rule: Mapping[str, Any]) -> AnomalyRule:
    check_keys(rule, ("min_percentile", "verdict"))
    required(rule, "min_percentile")
    least = number(rule, "min_percentile", 0.0, 100.0)
    verdict = required(rule, "verdict")
    if verdict != Verdict.REVIEW:
        raise ValueError(f"verdict is {verdict!r}; here it can only be REVIEW, since disease is unusual too.")
    return AnomalyRule(least)


def _parse_package(rule: Mapping[str, Any]) -> PackageRule:
    check_keys(rule, ("name", "min_confidence", "max_percentile", "accepted_only"))
    return PackageRule(
        required(rule, "name"),
        number(rule, "min_confidence", None, 1.0),
        number(rule, "max_percentile", None, 100.0),
        flag(rule, "accepted_only", None),
    )


def _verdict(rule: Mapping[str, Any]) -> Verdict:
    text = required(rule, "verdict")
    if text not in (Verdict.REVIEW, Verdict.REJECT):
        raise ValueError(f"verdict is {text!r}; a rule can only ask for REVIEW or REJECT.")
    return Verdict(text)
