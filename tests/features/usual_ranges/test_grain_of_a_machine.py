"""Grain over structure has a narrower range than the rest, and the shipped policy flags what is beyond it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.features.usual_ranges.baseline import SeriesNumbers, ranges_of
from tests.features.usual_ranges.ranges_making import FIRST_AT
from tests.runtime.store.making import digest, header

GRAIN, SHARE = "grain_over_structure", "noise_share"


def test_its_range_is_narrower_than_that_of_others() -> None:
    numbers = [float(one) for one in np.exp(np.random.default_rng(3).normal(0.0, 0.1, 50))]
    history = [
        SeriesNumbers(FIRST_AT + timedelta(hours=4 * at), {(GRAIN, "1"): one, (SHARE, "%"): one})
        for at, one in enumerate(numbers)
    ]
    high = {one.measurement: one.high for one in ranges_of(history, 0.02)}
    spread = 1.4826 * median(abs(math.log(one / median(numbers))) for one in numbers)
    assert math.isclose(high[GRAIN], median(numbers) * math.exp(2.5 * 1.24 * spread), rel_tol=0.01)
    assert high[GRAIN] < high[SHARE]


def test_the_shipped_policy_sends_a_chest_beyond_it_to_review() -> None:
    policy = read_policy(load_settings().policy_file)
    usual = UsualRange(GRAIN, "1", 0.2, 0.4, 50, FIRST_AT)
    of = replace(header(1), modality="DX", body_part_examined="CHEST", view_position="PA")
    policy = policy.trusting()
    for value, is_flagged in ((0.39, False), (0.41, True)):
        measured = (Measurement(GRAIN, value, "1"),)
        now = datetime(2026, 11, 20, tzinfo=UTC)
        assessment = Assessment(InstanceDigest(digest("one")), of, now, measurements=measured, usual_ranges=(usual,))
        flags = [one for one in decide(assessment, policy).reasons if one.verdict.flagged]
        assert [(one.name, one.finding) for one in flags] == ([(GRAIN, "noise")] if is_flagged else [])
        assert all(one.text.startswith("Noisier than this machine's usual images: Grain over") for one in flags)
