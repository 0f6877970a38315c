"""Evidence of rules in ``policy.toml``: figures of what a package finds, and scanners on which limits were tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from miqa_node.core.domain.acceptance import LEAST_SCANNERS, ScannerTrial, TriedLimits
from miqa_node.core.domain.kept_figure import LEAST_AGE_YEARS, KeptFigure
from miqa_node.core.domain.moderate_fault import FAULT_NAMES
from miqa_node.core.domain.rule import CARD, SITE
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.taxonomy.entries import check_keys, close_to, name_list, named, number, required, rules
from miqa_node.core.taxonomy.places import kind_list

FIGURE_KEYS = (
    "found", "images", "source", "body_part", "view", "package", "least_age_years", "auroc", "flagged",
)  # fmt: skip
TRIAL_KEY = "tried_on"
TRIAL_KEYS = (TRIAL_KEY, "body_part", "kind", "field_t")
MOST_IMAGES, MOST_YEARS = 1e9, 120.0
"""Of a figure: what is more is a mistake."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A named record: a figure, or scanners with their trials, which are missing where a site gives names alone."""

    figure: KeptFigure | None = None
    tried: TriedLimits | None = None


def parse_evidence(document: Mapping[str, Any]) -> dict[str, Evidence]:
    """Every ``[evidence.NAME]``."""
    return dict(named(document, "evidence", _record))


def _record(name: str, table: Mapping[str, Any]) -> Evidence:
    if name in (SITE, CARD):
        raise ValueError("this name has a meaning of its own; choose another one.")
    check_keys(table, (*FIGURE_KEYS, *TRIAL_KEYS))
    if not {"found", TRIAL_KEY} & {*table}:
        raise ValueError(f"found is missing, or {TRIAL_KEY}.")
    return _trial(table) if TRIAL_KEY in table else Evidence(_figure(table))


def evidence_of(table: Mapping[str, Any], records: Mapping[str, Evidence]) -> tuple[str, ...]:
    """The names of the evidence of a rule: ``site``, ``card``, or records that the policy has."""
    names = (table["evidence"],) if isinstance(table.get("evidence"), str) else name_list(table, "evidence")
    if not names:
        raise ValueError(
            'evidence is missing; name a record [evidence.…], or write "card" for what the card of the package says, '
            'or "site" for the site\'s own word.'
        )
    for name in names:
        if name not in records and name not in (SITE, CARD):
            raise ValueError(f"evidence: there is no record {name!r}.{close_to(name, (*records, SITE, CARD))}")
    if len(names) > 1 and {SITE, CARD} & {*names}:
        raise ValueError("evidence: site and card stand alone.")
    return names


def _figure(table: Mapping[str, Any]) -> KeptFigure:
    check_keys(table, FIGURE_KEYS)
    for key in ("found", "images", *(("auroc", "flagged", "package") if {"auroc", "flagged"} & {*table} else ())):
        required(table, key)
    images = int(number(table, "images", 0.0, MOST_IMAGES))
    if not images:
        raise ValueError("images is 0; a figure is taken on images.")
    return KeptFigure(
        found=number(table, "found", 0.0, 1.0),
        images=images,
        source=required(table, "source"),
        body_part=tuple(sorted(STANDARD.body_parts.expanded(name_list(table, "body_part")))),
        view=tuple(sorted(STANDARD.expanded_views(name_list(table, "view")))),
        package=required(table, "package") if "package" in table else "",
        least_age_years=int(number(table, "least_age_years", LEAST_AGE_YEARS, MOST_YEARS)),
        auroc=number(table, "auroc", None, 1.0),
        flagged=number(table, "flagged", 0.0, 1.0),
    )


def _trial(table: Mapping[str, Any]) -> Evidence:
    check_keys(table, TRIAL_KEYS)
    entries = table[TRIAL_KEY]
    has_tables = isinstance(entries, Sequence) and any(isinstance(one, Mapping) for one in entries)
    trials = tuple(rules(table, TRIAL_KEY, _scanner)) if has_tables else ()
    scanners = tuple(one.scanner for one in trials) if trials else name_list(table, TRIAL_KEY)
    if len({*scanners}) < LEAST_SCANNERS:
        raise ValueError(
            "tried_on names the scanners whose images showed that the limits are right, at least two of them."
        )
    return Evidence(
        tried=TriedLimits(
            scanners=tuple(dict.fromkeys(scanners)),
            trials=trials,
            body_part=tuple(sorted(STANDARD.body_parts.expanded(name_list(table, "body_part")))),
            kind=kind_list(table),
            field_t=_field(table),
        )
    )


def _field(table: Mapping[str, Any]) -> tuple[float, float] | None:
    if "field_t" not in table:
        return None
    pair = table["field_t"]
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(one, int | float) for one in pair):
        raise ValueError(f"field_t is {pair!r}; it takes the lowest and the highest field in tesla: [1.5, 3.0].")
    return float(min(pair)), float(max(pair))


def _scanner(table: Mapping[str, Any]) -> ScannerTrial:
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
