"""What another policy would newly flag, and what no longer, of assessments."""

from __future__ import annotations

import tomllib
from dataclasses import replace

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import RoomLimit, SiteLimits
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.stages.conclusion.policy_trial import EXAMPLES, FlaggingRule, compare
from tests.features.policy.judged_images import AT, images


def _policy(*rules: str) -> Policy:
    entries = "".join(f"    {{ {rule} }},\n" for rule in rules)
    return parse_policy(
        tomllib.loads(f'version = "1"\n[where.all]\n[[rule]]\nwhere = "all"\nevidence = "site"\neach = [\n{entries}]\n')
    )


ACCEPT = 'finding = "all", then = "ACCEPT"'
QUIET = 'finding = "own_thing", then = "HINT"'
DOSE = 'measurement = "deviation_index", then = "{}", above = {}, reason = "overexposure_saturation"'


def test_each_rule_says_what_it_flags_more_and_what_less() -> None:
    tried = (image for image in images())  # read once, and not kept
    before = _policy(ACCEPT, QUIET, DOSE.format("REVIEW", 6), 'contradiction = "blank_image", then = "REVIEW"')
    after = _policy(ACCEPT, QUIET, DOSE.format("REVIEW", 8), 'contradiction = "voi_clips_image", then = "REJECT"')
    trial = compare(tried, before, after)
    above = [one.measurement("deviation_index") for one in images()]
    assert trial.images == len(images())
    assert [rule for rule, _ in trial.by_rule] == sorted(trial.rules, key=lambda one: -_size(trial.rules[one]))
    dose = trial.rules[FlaggingRule("all", "deviation_index", "REVIEW")]
    assert (dose.newly.count, dose.no_longer.count) == (0, sum(one is not None and 6 < one.value <= 8 for one in above))
    clipped = trial.rules[FlaggingRule("all", "voi_clips_image", "REJECT")]
    assert clipped.newly.count == sum(issue.name == "voi_clips_image" for one in images() for issue in one.plausibility)
    assert len(clipped.newly.examples) == EXAMPLES < clipped.newly.count
    assert clipped.newly.examples[0].study_instance_uid.startswith("1.2.5.")
    assert trial.flagged_then - trial.flagged_now == trial.flags.newly.count - trial.flags.no_longer.count
    assert trial.accepts.newly.count > 0
    assert trial.accepts.no_longer.count > 0


def test_the_same_policy_changes_nothing() -> None:
    policy = _policy(ACCEPT, DOSE.format("REVIEW", 6))
    trial = compare(images(), policy, policy)
    assert (trial.rules, trial.flags.newly.count, trial.accepts.no_longer.count) == ({}, 0, 0)
    assert trial.flagged_now == trial.flagged_then > 0


def test_confirmed_limits_of_rooms_count() -> None:
    policy = _policy(ACCEPT, 'finding = "noise", then = "REVIEW"')
    limit = RoomLimit(FindingName("noise"), "", "", 0.99)
    trial = compare(images(), policy, replace(policy, site_limits=SiteLimits(1, (limit,), AT, "anna")))
    assert trial.rules[FlaggingRule("all", "noise", "REVIEW")].no_longer.count > 0


def _size(trial: object) -> int:
    return trial.newly.count + trial.no_longer.count  # type: ignore[attr-defined, no-any-return]
