"""Policies of tests in few words: rules as the file has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import ANOMALY, AppliedRule, Rule, Subject
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.taxonomy.policy_file import parse_policy

ACCEPT: dict[str, Any] = {"finding": "all", "then": "ACCEPT", "evidence": "card"}
"""What a model judged is ACCEPT if no rule flags it."""
DEFAULT: dict[str, Any] = {"finding": "default", "evidence": "card"}
"""The default rules of all findings."""
TRIED: dict[str, Any] = {"two scanners": {"tried_on": ["one", "two"]}}
"""Evidence of a site that names its scanners without figures."""

EVERY_KEY = """\
version = "1"
[where.elsewhere]
room = ["ROOM1"]
[where.chest]
modality = ["DX"]
body_part = ["CHEST"]
view = ["PA"]
age = [6, 90]
except = ["elsewhere"]
[evidence.ours]
found = 0.6
images = 80
source = "us"
package = "ours"
least_age_years = 3
[evidence.alone]
found = 0.6
images = 80
source = "us"
package = "ours"
auroc = 0.96
flagged = 0.02
[evidence.tried]
tried_on = [
    { scanner = "one", series = 3, false_alarms = 0, found = { ring = 1 } },
    { scanner = "two", series = 3, false_alarms = 0, found = { ring = 1 } },
]
[[rule]]
where = "chest"
evidence = "ours"
finding = "all"
then = "ACCEPT"
[[rule]]
where = "chest"
evidence = "ours"
finding = "default"
except = ["noise"]
[[rule]]
where = "chest"
evidence = "alone"
finding = "unsharp"
then = "REVIEW"
min_probability = 0.5
[[rule]]
where = "chest"
evidence = "card"
then = "REVIEW"
each = [
    { finding = "motion_blur", min_probability = 0.5, min_severity = 0.5, soft = true },
    { finding = "foreign_object", over = ["lung"] },
]
[[rule]]
modality = ["MR"]
kind = ["head"]
room = ["ROOM1"]
evidence = "tried"
measurement = ["sharpness"]
then = "ACCEPT"
[[rule]]
evidence = "site"
measurement = "noise_sigma"
above = 7
then = "REVIEW"
reason = "noise"
[[rule]]
evidence = "site"
measurement = "slices_blank"
share_of_slices = 0.05
then = "REVIEW"
reason = "111220"
[[rule]]
evidence = "site"
measurement = "anomaly"
min_percentile = 99
then = "REVIEW"
[[rule]]
evidence = "site"
contradiction = "inverted"
then = "REJECT"
[[package]]
where = "chest"
name = "lungs"
min_confidence = 0.5
max_percentile = 99
accepted_only = true
"""
"""A file with every key."""


def measured(*names: str) -> dict[str, Any]:
    """The rule that accepts by these measurements, by :data:`TRIED`."""
    return {"measurement": [*names], "then": "ACCEPT", "evidence": [*TRIED]}


def document(*rules: Mapping[str, Any], version: str = "t", place: str = "all", **tables: Any) -> dict[str, Any]:
    """A policy with one place for all images, in which these rules hold; ``evidence`` is the site's word by default.

    Of other places, ``where``, they hold in the first unless they name one; so do packages.
    """
    where = tables.pop("where", {place: {}})
    [first, *_] = where
    if "package" in tables:
        tables["package"] = [{"where": first, **one} for one in tables["package"]]
    return {
        "version": version,
        "where": where,
        "rule": [{"where": first, "evidence": "site", **rule} for rule in rules],
        **tables,
    }


def policy_of(*rules: Mapping[str, Any], version: str = "t", place: str = "all", **tables: Any) -> Policy:
    """The same, read."""
    return parse_policy(document(*rules, version=version, place=place, **tables))


def numbered(policy: Policy) -> list[Rule]:
    """The rules with a number as limit of a measurement."""
    return [one for one in policy.of(Subject.MEASUREMENT) if one.limit is not None and one.what != ANOMALY]


def rows_about(disposition: Disposition, what: str) -> list[AppliedRule]:
    """The rows of the table of rules that are about this finding, measurement or contradiction."""
    return [row for row in disposition.rules if row.what == what]
