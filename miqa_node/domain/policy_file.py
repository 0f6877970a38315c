"""The site's rules as its ``policy.toml`` says them: tables of the file become the rules that ``decide`` applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from miqa_node.domain.codes import REASON_CODES, Code
from miqa_node.domain.finding import FINDING_CODES, FindingName
from miqa_node.domain.policy import (
    AnomalyRule,
    Comparison,
    FindingRule,
    MeasurementRule,
    PackageRule,
    PlausibilityRule,
    Policy,
    Scope,
    Verdict,
)
from miqa_node.errors import SettingsError


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Read the tables of ``policy.toml``; SettingsError names the scope and key that is wrong."""
    version = document.get("version")
    if not isinstance(version, str) or not version:
        raise SettingsError('policy.toml: give it a version, for example version = "2026-01".')
    scopes = document.get("scope")
    if not isinstance(scopes, Sequence) or not scopes or not all(isinstance(scope, Mapping) for scope in scopes):
        raise SettingsError("policy.toml: there is no [[scope]]; without one no image gets a verdict.")
    return Policy(version, tuple(_parse_scope(scope) for scope in scopes))


def _parse_scope(table: Mapping[str, Any]) -> Scope:
    name = table.get("name", "")
    known = {
        "name",
        "modality",
        "body_part",
        "view",
        "finding",
        "measurement",
        "plausibility",
        "anomaly",
        "accept_measured",
        "package",
    }
    if unknown := set(table) - known:
        raise SettingsError(f"policy.toml: scope {name!r} has unknown keys: {', '.join(sorted(unknown))}.")
    try:
        return Scope(
            name=name,
            modality=tuple(table.get("modality", ())),
            body_part=tuple(table.get("body_part", ())),
            view=tuple(table.get("view", ())),
            findings=tuple(_parse_finding(rule) for rule in table.get("finding", ())),
            measurements=tuple(_parse_measurement(rule) for rule in table.get("measurement", ())),
            plausibility=tuple(
                PlausibilityRule(rule["name"], _flag(rule["verdict"])) for rule in table.get("plausibility", ())
            ),
            anomaly=_parse_anomaly(table["anomaly"]) if "anomaly" in table else None,
            packages=tuple(_parse_package(rule) for rule in table.get("package", ())),
            accept_measured=_parse_names(table.get("accept_measured", ())),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise SettingsError(f"policy.toml: scope {name!r}: {error!s} is missing or not allowed.") from error


def _check_keys(rule: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(rule) - known:
        raise ValueError(f"key {', '.join(sorted(unknown))}")


def _parse_finding(rule: Mapping[str, Any]) -> FindingRule:
    _check_keys(rule, {"name", "verdict", "min_probability", "min_severity"})
    return FindingRule(
        FindingName(rule["name"]),
        _flag(rule["verdict"]),
        float(rule.get("min_probability", 0.0)),
        float(rule.get("min_severity", 0.0)),
    )


def _parse_measurement(rule: Mapping[str, Any]) -> MeasurementRule:
    _check_keys(rule, {"name", "verdict", "reason", *Comparison})
    comparison = next((c for c in Comparison if c.value in rule), None)
    if comparison is None:
        raise KeyError("above or below")
    reason = _parse_reason(rule["reason"])
    return MeasurementRule(rule["name"], comparison, float(rule[comparison.value]), _flag(rule["verdict"]), reason)


def _parse_reason(text: str) -> Code:
    """The name of a finding, or the code value of a reason of CID 7011."""
    return REASON_CODES.get(text) or FINDING_CODES[FindingName(text)]


def _parse_names(names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError("accept_measured (a list of names of measurements)")
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
