"""Reads the site's ``policy.toml``: its tables become the rules that ``decide`` applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import structlog

from miqa_node.domain.codes import REASON_CODES, Code
from miqa_node.domain.finding import FindingName
from miqa_node.domain.policy import (
    AnomalyRule,
    FindingRule,
    LimitSide,
    MeasurementRule,
    PackageRule,
    PlausibilityRule,
    Policy,
    Scope,
    Verdict,
)
from miqa_node.errors import SettingsError
from miqa_node.taxonomy.anatomy import STANDARD
from miqa_node.taxonomy.lookup import finding_entries, finding_title, gate_entries, reason_code, successors

log = structlog.get_logger(__name__)


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Read the tables of ``policy.toml``; SettingsError names the scope and key with the error."""
    version = document.get("version")
    if not isinstance(version, str) or not version:
        raise SettingsError('policy.toml: give it a version, for example version = "2026-01".')
    scopes = document.get("scope")
    if not isinstance(scopes, Sequence) or not scopes or not all(isinstance(scope, Mapping) for scope in scopes):
        raise SettingsError("policy.toml: there is no [[scope]]; without one no image gets a verdict.")
    for name in retired_names(document):
        log.warning("retired name in the policy", name=name, now=list(successors(name)))
    titles = {str(name): finding_title(name) for name in (*finding_entries(), *gate_entries())}
    return Policy(version, tuple(_parse_scope(scope) for scope in scopes), titles)


def retired_names(document: Any) -> list[str]:
    """Names of findings in the tables that packages no longer use; rules about them cover their successors as well."""
    if isinstance(document, str):
        return [document] if successors(document) else []
    parts = document.values() if isinstance(document, Mapping) else document if isinstance(document, Sequence) else ()
    return sorted({name for part in parts for name in retired_names(part)})


def _parse_scope(table: Mapping[str, Any]) -> Scope:
    name = table.get("name", "")
    keys = {
        "name",
        "modality",
        "body_part",
        "view",
        "finding",
        "default_findings",
        "ignored_findings",
        "measurement",
        "plausibility",
        "anomaly",
        "accept_measured",
        "package",
    }
    if unknown := set(table) - keys:
        raise SettingsError(f"policy.toml: scope {name!r} has unknown keys: {', '.join(sorted(unknown))}.")
    try:
        return Scope(
            name=name,
            modality=tuple(table.get("modality", ())),
            body_part=tuple(sorted(STANDARD.body_parts.expanded(table.get("body_part", ())))),
            view=tuple(sorted(STANDARD.expanded_views(table.get("view", ())))),
            findings=_parse_findings(table),
            measurements=tuple(_parse_measurement(rule) for rule in table.get("measurement", ())),
            plausibility=tuple(
                PlausibilityRule(rule["name"], _flag(rule["verdict"])) for rule in table.get("plausibility", ())
            ),
            anomaly=_parse_anomaly(table["anomaly"]) if "anomaly" in table else None,
            packages=tuple(_parse_package(rule) for rule in table.get("package", ())),
            ignored_findings=_parse_ignored(table),
            accept_measured=_parse_names(table.get("accept_measured", ()), "accept_measured"),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise SettingsError(f"policy.toml: scope {name!r}: {error!s} is missing or not allowed.") from error


def _check_keys(rule: Mapping[str, Any], keys: set[str]) -> None:
    if unknown := set(rule) - keys:
        raise ValueError(f"key {', '.join(sorted(unknown))}")


def _parse_findings(table: Mapping[str, Any]) -> tuple[FindingRule, ...]:
    """The scope's own rules; with ``default_findings`` also the taxonomy's rules for all other findings."""
    own = tuple(one for rule in table.get("finding", ()) for one in _parse_finding(rule))
    defaults = table.get("default_findings", False)
    if not isinstance(defaults, bool):
        raise TypeError("default_findings (true or false)")
    if not defaults:
        return own
    named = {*_parse_ignored(table), *(rule.finding for rule in own)}
    return own + tuple(
        FindingRule(name, Verdict(rule.verdict), rule.min_probability, rule.min_severity, entry.soft)
        for name, entry in finding_entries().items()
        if name not in named
        for rule in entry.policy
    )


def _parse_finding(rule: Mapping[str, Any]) -> list[FindingRule]:
    """The rules of one entry; a rule about a retired finding also applies to its successors."""
    _check_keys(rule, {"name", "verdict", "min_probability", "min_severity", "soft"})
    probability, severity = float(rule.get("min_probability", 0.0)), float(rule.get("min_severity", 0.0))
    verdict = _flag(rule["verdict"])
    return [
        FindingRule(name, verdict, probability, severity, bool(rule.get("soft", _is_soft(name))))
        for name in _with_successors(rule["name"])
    ]


def _is_soft(name: FindingName) -> bool:
    entry = finding_entries().get(name)
    return entry is not None and entry.soft


def _parse_measurement(rule: Mapping[str, Any]) -> MeasurementRule:
    _check_keys(rule, {"name", "verdict", "reason", *LimitSide})
    comparison = next((c for c in LimitSide if c.value in rule), None)
    if comparison is None:
        raise KeyError("above or below")
    reason = _parse_reason(rule["reason"])
    finding = "" if rule["reason"] in REASON_CODES else _parse_name(rule["reason"])
    return MeasurementRule(
        rule["name"], comparison, float(rule[comparison.value]), _flag(rule["verdict"]), reason, finding
    )


def _parse_reason(text: str) -> Code:
    """The name of a finding, or the code value of a reason of CID 7011."""
    return REASON_CODES.get(text) or reason_code(_parse_name(text))


def _parse_name(text: str) -> FindingName:
    name = FindingName(text)
    entries = finding_entries()
    close = get_close_matches(name, entries, n=1, cutoff=0.9)
    if name not in entries and close:
        raise ValueError(f"finding {text!r} (did you mean {close[0]!r}?)")
    return name


def _parse_ignored(table: Mapping[str, Any]) -> tuple[FindingName, ...]:
    names = _parse_names(table.get("ignored_findings", ()), "ignored_findings")
    return tuple(one for name in names for one in _with_successors(name))


def _with_successors(text: str) -> tuple[FindingName, ...]:
    name = _parse_name(text)
    return (name, *successors(name))


def _parse_names(names: Any, key: str) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{key} (a list of names)")
    return tuple(names)


def _parse_anomaly(rule: Mapping[str, Any]) -> AnomalyRule:
    _check_keys(rule, {"min_percentile", "verdict"})
    least = float(rule["min_percentile"])
    if not 0.0 <= least <= 100.0:
        raise ValueError(f"anomaly min_percentile {least:g}, a number from 0 to 100")
    if Verdict(rule["verdict"]) is not Verdict.REVIEW:
        raise ValueError(f"anomaly verdict {rule['verdict']} (only REVIEW, since disease is unusual too)")
    return AnomalyRule(least)


def _parse_package(rule: Mapping[str, Any]) -> PackageRule:
    _check_keys(rule, {"name", "min_confidence", "max_percentile", "accepted_only"})
    confidence, percentile = rule.get("min_confidence"), rule.get("max_percentile")
    if confidence is not None and not 0.0 <= float(confidence) <= 1.0:
        raise ValueError(f"package min_confidence {float(confidence):g}, a number from 0 to 1")
    if percentile is not None and not 0.0 <= float(percentile) <= 100.0:
        raise ValueError(f"package max_percentile {float(percentile):g}, a number from 0 to 100")
    return PackageRule(
        str(rule["name"]),
        None if confidence is None else float(confidence),
        None if percentile is None else float(percentile),
        None if (only := rule.get("accepted_only")) is None else bool(only),
    )


def _flag(text: str) -> Verdict:
    verdict = Verdict(text)
    if not verdict.flagged:
        raise ValueError(f"verdict {text}: a rule can only ask for REVIEW or REJECT")
    return verdict
