"""The flag of a gap closes once the slices that were missing came: what flagged was measured again and found none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.reassessment import lifts_flag
from tests.policies import policy_of
from tests.stages.measure.drawn_series import Change, flags, heads, judged, shipped, write

FIRST = (0, 1, 2, 3, 6, 7)
"""Slices that came before the node judged."""


def largest_gap() -> Policy:
    """A site's own, that flags by a measurement which exists only with a gap."""
    rule = {"measurement": "slice_gap_largest", "above": 5.0, "then": "REVIEW", "reason": "111220"}
    return policy_of(rule, where={"MR": {"modality": ["MR"]}})


def unplaced(ds: FileDataset) -> None:
    del ds.ImagePositionPatient


def lifts(before: Sequence[Path], after: Sequence[Path], policy: Policy, name: str) -> bool:
    """Whether the judgement of the second files takes back the flag that the first ones led to."""
    assessment, disposition = judged(before, policy)
    assert name in flags(disposition)
    later, decided = judged(after, policy)
    assert not decided.verdict.flagged
    return lifts_flag(later, decided, assessment, disposition.reasons)


@pytest.mark.parametrize(
    ("policy", "name"), [(shipped(), "slice_gaps"), (largest_gap(), "slice_gap_largest")], ids=["gaps", "largest"]
)
@pytest.mark.parametrize(("change", "is_seen"), [(None, True), (unplaced, False)], ids=["whole", "without places"])
def test_a_flag_closes_when_what_flagged_was_measured_again(
    policy: Policy, name: str, change: Change | None, is_seen: bool, tmp_path: Path
) -> None:
    """Other measurements may be gone, as the largest gap is; one that was not looked for leaves the flag."""
    half = [path for number, path in enumerate(write(tmp_path / "half", heads(), "MR")) if number in FIRST]
    whole = write(tmp_path / "whole", heads(), "MR", change)
    assert lifts(half, whole, policy, name) is is_seen
