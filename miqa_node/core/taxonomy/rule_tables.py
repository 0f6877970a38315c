"""One ``[[rule]]`` of ``policy.toml``, or one of its entries, as the rules that it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from miqa_node.core.domain.acceptance import Acceptance
from miqa_node.core.domain.codes import REASON_CODES, Code
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.measurand import MEASUREMENTS, measurands
from miqa_node.core.domain.object_place import ChestRegion
from miqa_node.core.domain.rule import ALL, ANOMALY, SLICE_COUNT, LimitSide, Rule, Subject, Then, Where
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.taxonomy.base import FindingEntry
from miqa_node.core.taxonomy.entries import check_keys, flag, name_list, number, required
from miqa_node.core.taxonomy.evidence_tables import Evidence, evidence_of
from miqa_node.core.taxonomy.lookup import finding_entries, is_of_any_part, reason_code
from miqa_node.core.taxonomy.places import PLACE_KEYS, parse_where

DEFAULT, USUAL = "default", "usual"
"""As finding: the default rules of the taxonomy; as limit: the usual range of the machine."""
COMMON = (*PLACE_KEYS, "evidence")
FINDING_KEYS = ("finding", "then", "min_probability", "min_severity", "soft", "learned", "severe", "floor", "over")
MEASUREMENT_KEYS = ("measurement", "then", *LimitSide, "reason", "learned", "severe", "floor")

Naming = Callable[[str], str]


def parse_rule(
    table: Mapping[str, Any], places: Mapping[str, Where], records: Mapping[str, Evidence], line: Naming
) -> Iterator[Rule]:
    """Yield a rule for each place and each name; ValueError says what is wrong with the table."""
    subjects = [one for one in Subject if one.value in table]
    if len(subjects) != 1:
        raise ValueError(f"a rule is about one of {', '.join(Subject)}, and names it.")
    names, wheres = evidence_of(table, records), parse_where(table, places)
    named = [records[name] for name in names if name in records]
    figures = tuple(one.figure for one in named if one.figure is not None)
    tried = tuple(one.tried for one in named if one.tried is not None)
    read = {Subject.FINDING: _findings, Subject.MEASUREMENT: _measurements, Subject.CONTRADICTION: _contradictions}
    if str(table.get("then")).upper() == Then.ACCEPT:
        made: Iterator[Rule] = _accepting(table, names, records)
    else:
        if tried and (figures or subjects[0] is Subject.FINDING):
            raise ValueError("evidence: trials on scanners are for measurements and contradictions, without figures.")
        made = read[subjects[0]](table)
    for rule in made:
        checked = _checked(replace(rule, evidence=names, figures=figures, tried=tried, line=line(rule.what)))
        for where in wheres:
            table_of = checked.acceptance and replace(checked.acceptance, body_part=where.body_part)
            yield replace(checked, where=where, acceptance=table_of)


def _checked(rule: Rule) -> Rule:
    alone = [one for one in rule.figures if one.auroc is not None]
    if not alone:
        return rule
    if rule.subject is not Subject.FINDING or rule.then is not Then.REVIEW or len(alone) < len(rule.figures):
        raise ValueError("evidence with an auroc is for a finding and REVIEW alone.")
    if not (rule.min_probability or rule.min_severity):
        raise ValueError(
            "min_probability or min_severity is missing; without either the finding would flag everything."
        )
    return replace(rule, soft=False, is_learned=False)


def _accepting(table: Mapping[str, Any], names: Sequence[str], records: Mapping[str, Evidence]) -> Iterator[Rule]:
    if "finding" in table:
        check_keys(table, ("finding", "then", *COMMON))
        if table["finding"] != ALL or any(records[name].figure is None for name in names if name in records):
            raise ValueError(f'then = "ACCEPT" takes finding = "{ALL}" and figures of what is found, or measurements.')
        yield Rule(Subject.FINDING, ALL, Then.ACCEPT, Where())
        return
    check_keys(table, ("measurement", "then", *COMMON))
    measured = name_list(table, "measurement")
    trials = [one for name in names if name in records and (one := records[name].tried) is not None]
    if not measured or len(trials) != len(names):
        raise ValueError('then = "ACCEPT" takes a list of measurements, and a record of scanners that has tried_on.')
    scanners = tuple(dict.fromkeys(one for record in trials for one in record.scanners))
    acceptance = Acceptance(measured, (), scanners, tuple(one for record in trials for one in record.trials))
    yield Rule(Subject.MEASUREMENT, "", Then.ACCEPT, Where(), acceptance=acceptance)


def combined_rules(rules: Sequence[Rule], places: Mapping[str, Where]) -> Iterator[Rule]:
    """Yield a rule for ACCEPT for each combined term, such as CHESTABDOMEN, of which every part has one.

    Where the place names body parts, the term must be one of them.
    """
    tables: dict[Where, dict[str, Rule]] = {}
    for rule in rules:
        for part in rule.where.body_part if rule.acceptance is not None else ():
            tables.setdefault(replace(rule.where, body_part=()), {}).setdefault(part, rule)
    for where, of_part in tables.items():
        for term, parts in STANDARD.body_parts.combined.items():
            of_place = places[where.name].body_part if where.name in places else ()
            if parts <= of_part.keys() and term not in of_part and (not of_place or term in of_place):
                yield _combined(where, term, [of_part[part] for part in sorted(parts)])


def _combined(where: Where, term: str, rules: Sequence[Rule]) -> Rule:
    tables = [one.acceptance for one in rules if one.acceptance is not None]
    measured = dict.fromkeys(name for one in tables for name in one.measured)
    scanners = dict.fromkeys(name for one in tables for name in one.tried_on)
    evidence = dict.fromkeys(name for one in rules for name in one.evidence)
    acceptance = Acceptance(tuple(measured), (term,), tuple(scanners), parts=tuple(tables))
    where = replace(where, body_part=(term,), own=rules[0].where.own)
    return replace(rules[0], where=where, evidence=tuple(evidence), acceptance=acceptance)


def _findings(table: Mapping[str, Any]) -> Iterator[Rule]:
    if table["finding"] == DEFAULT:
        yield from _defaults(table)
        return
    check_keys(table, (*FINDING_KEYS, *COMMON))
    over = tuple(map(_region, name_list(table, "over")))
    for text in _names(table, "finding"):
        name = finding_name(text, "finding")
        then, entry = _then(table, Then.REVIEW, Then.REJECT, Then.HINT), finding_entries().get(name)
        yield Rule(
            Subject.FINDING, name, then, Where(),
            min_probability=number(table, "min_probability", 0.0, 1.0),
            min_severity=number(table, "min_severity", 0.0, 1.0),
            soft=bool(flag(table, "soft", entry is not None and entry.soft)) and then is not Then.HINT, over=over,
            any_part=is_of_any_part(name), **_learned(table, entry, 1.0),
        )  # fmt: skip


def _defaults(table: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield the rules of docs/reference/findings.md, but those of findings that the rule excepts."""
    check_keys(table, ("finding", "except", *COMMON))
    left_out = {finding_name(one, "except") for one in name_list(table, "except")}
    for name, entry in finding_entries().items():
        for rule in entry.policy if name not in left_out else ():
            yield Rule(
                Subject.FINDING, name, Then(rule.verdict), Where(), min_probability=rule.min_probability,
                min_severity=rule.min_severity, soft=entry.soft, over=rule.over, any_part=entry.any_part,
                is_default=True, **_learned({}, entry),
            )  # fmt: skip
    for name in sorted(left_out):
        yield Rule(Subject.FINDING, name, Then.HINT, Where(), any_part=is_of_any_part(name), is_default=True)


def _measurements(table: Mapping[str, Any]) -> Iterator[Rule]:
    if isinstance(table["measurement"], list):
        raise ValueError(  # noqa: TRY004 - one kind for all
            f'then is {table.get("then")!r}; a list of measurements is for then = "ACCEPT": each = […] has several.'
        )
    name = required(table, "measurement")
    if name == ANOMALY:
        check_keys(table, ("measurement", "then", "min_percentile", "learned", "severe", *COMMON))
        required(table, "min_percentile")
        yield Rule(
            Subject.MEASUREMENT, ANOMALY, _then(table, Then.REVIEW, Then.HINT), Where(),
            limit=number(table, "min_percentile", 0.0, 100.0), **_learned(table, None, 1.0),
        )  # fmt: skip
        return
    check_keys(table, (*MEASUREMENT_KEYS, *COMMON))
    sides = [side for side in LimitSide if side.value in table]
    if not sides:
        raise ValueError(
            'a limit is missing; write above = or below = with a number, or with "usual", or share_of_slices =.'
        )
    if len(sides) > 1:
        raise ValueError(f"{sides[0]} and {sides[1]} are two limits; a rule has one.")
    if is_share := sides[0] is LimitSide.SHARE:
        _check_counts_slices(name)
    is_usual = table[sides[0]] == USUAL and not is_share
    verdicts = (Then.REVIEW,) if is_usual else (Then.REVIEW, Then.REJECT, Then.NOT_ASSESSED)
    then, (code, supports) = _then(table, *verdicts, Then.HINT), _reason(table)
    if is_usual and (measurand := MEASUREMENTS.all().get(name)) is not None and not measurand.has_usual_range:
        raise ValueError(f"{name} has no usual range; docs/reference/measurements.md lists those that have one.")
    limit = None if is_usual else number(table, sides[0].value, 0.0, 1.0 if is_share else None)
    yield Rule(
        Subject.MEASUREMENT, name, then, Where(), side=sides[0], limit=limit, code=code, supports=supports,
        **_learned(table, None),
    )  # fmt: skip


def _check_counts_slices(name: str) -> None:
    counting = [one.name for one in measurands() if one.report_unit == "{slices}" and one.name != SLICE_COUNT]
    if name not in counting:
        raise ValueError(f"measurement is {name!r}; share_of_slices is of counts of slices: {', '.join(counting)}.")


def _contradictions(table: Mapping[str, Any]) -> Iterator[Rule]:
    check_keys(table, ("contradiction", "then", *COMMON))
    then = _then(table, Then.REVIEW, Then.REJECT, Then.NOT_ASSESSED, Then.HINT)
    for name in _names(table, "contradiction"):
        yield Rule(Subject.CONTRADICTION, name, then, Where())


def _learned(table: Mapping[str, Any], entry: FindingEntry | None, highest: float = math.inf) -> dict[str, Any]:
    """Whether a room learns what is usual of it, and between which degrees its limit lies; by default as of ``entry``.

    ``highest`` is the largest degree that there is.
    """
    severe, by_default = (None, False) if entry is None else (entry.severe, entry.learned)
    if "severe" in table:
        severe = number(table, "severe", 0.0, highest)
    return {
        "is_learned": bool(flag(table, "learned", severe is not None or by_default)),
        "severe": severe,
        "floor": number(table, "floor", 0.0, highest) if "floor" in table else None,
        "learned_with": "" if entry is None else entry.learned_with,
    }


def _names(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = name_list(table, key) if isinstance(table[key], list | tuple) else (required(table, key),)
    if not names:
        raise ValueError(f"{key} is missing.")
    return names


def _then(table: Mapping[str, Any], *allowed: Then) -> Then:
    text = required(table, "then")
    if text.upper() not in set(allowed):
        raise ValueError(f"then is {text!r}; here it takes {', '.join(allowed)}.")
    return Then(text.upper())


def _reason(table: Mapping[str, Any]) -> tuple[Code, str]:
    """The code of a rule's reason, and the finding that it supports.

    It is the name of a finding, or the code value of a reason of CID 7011; then there is no finding.
    """
    text = required(table, "reason")
    if text in REASON_CODES:
        return REASON_CODES[text], ""
    name = finding_name(text, "reason")
    return reason_code(name), name


def finding_name(text: str, key: str) -> FindingName:
    """The finding of that name; ValueError if it is no name, or nearly one, or nothing finds it any more."""
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


def _region(text: str) -> ChestRegion:
    if text not in set(ChestRegion):
        raise ValueError(f"over is {text!r}; it takes {', '.join(ChestRegion)}.")
    return ChestRegion(text)
