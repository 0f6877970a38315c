"""What a slice is comes before any limit: headers tell kinds, and only what means something is measured."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import FileDataset

from miqa_node.core.domain.slice_kind import kind_named
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.stages.measure.base import is_meant, series_measures
from tests.stages.measure.drawn_series import flags, heads, issues, judged, write
from tests.stages.measure.test_slice_kinds import given


def test_what_means_nothing_for_a_kind_cannot_flag_by_an_older_policy(tmp_path: Path) -> None:
    strict = [
        {"name": name, "above": -1e9, "verdict": "REVIEW", "reason": "111207"} for name in ("mr_ghost", "mr_spikes")
    ]
    policy = parse_policy({"version": "1", "scope": [{"name": "MR", "modality": ["MR"], "measurement": strict}]})
    assessment, disposition = judged(write(tmp_path, heads(), "MR", given(ScanningSequence="EP")), policy)
    assert assessment.kind == "echo-planar"
    assert not flags(disposition)
    assert "half the field by nature" in issues(assessment)["measures_left_out"]
    assert not any(is_meant(one, kind_named("echo-planar")) for one in series_measures("MR") if one.name == "mr_ghost")


def test_a_place_is_what_a_person_finds_at_the_workstation(tmp_path: Path) -> None:
    """Rank in the stack, and the numbers of the header, which count another way round."""
    images = heads()
    images[6] = images[6] * 0.5
    numbers = iter(range(212, 200, -1))

    def change(ds: FileDataset) -> None:
        ds.InstanceNumber = next(numbers)
        ds.SliceLocation = str(ds.ImagePositionPatient[2] + 100)

    assessment, _ = judged(write(tmp_path, images, "MR", change))
    jump = assessment.measurement("slice_jump")
    assert jump is not None
    assert jump.place == "slice 7 of 12, Instance Number 206, Slice Location 118.0 mm"
