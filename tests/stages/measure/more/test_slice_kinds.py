"""What a slice is comes before any limit: headers tell kinds, and only what means something is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.slice_kind import kind_named
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import SettingsError
from miqa_node.stages.measure.base import is_meant, series_measures
from miqa_node.stages.measure.slices import read_slices
from tests.stages.measure.drawn_series import flags, heads, issues, judged, value, write
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


def test_phase_images_beside_magnitude_are_left_out_and_counted(tmp_path: Path) -> None:
    plain = write(tmp_path / "a", heads(), "MR")
    rng = np.random.default_rng(0)
    phases = [rng.uniform(-4096.0, 4095.0, (160, 160)) for _ in range(12)]
    uid = read_slices([("a", plain[0])])[0].series_instance_uid  # type: ignore[list-item]
    change = given(ImageType=["ORIGINAL", "PRIMARY", "P"], SeriesInstanceUID=uid)
    assessment, disposition = judged([*plain, *write(tmp_path / "b", phases, "MR", change)])
    assert value(assessment, "slice_count") == 12.0
    assert "phase, real and imaginary images: 12" in issues(assessment)["slices_left_out"]
    assert not flags(disposition)


def scopes(*kinds: tuple[str, ...]) -> Policy:
    """One scope for each, which flags everything."""
    flagged = [{"name": "slice_count", "above": 0, "verdict": "REVIEW", "reason": "111207"}]
    return parse_policy(
        {
            "version": "1",
            "scope": [
                {"name": str(one), "modality": ["MR"], "kind": list(one), "measurement": flagged} for one in kinds
            ],
        }
    )


def test_a_scope_may_name_kinds_and_one_that_names_none_covers_all(tmp_path: Path) -> None:
    paths = write(tmp_path, heads(), "MR")
    assert judged(paths, scopes(("diffusion",), ("structural", "head")))[1].scope == "('structural', 'head')"
    assert judged(paths, scopes(("diffusion",)))[1].scope == ""
    assert judged(paths, scopes(("diffusion",), ()))[1].scope == "()"
    with pytest.raises(SettingsError, match=r"kind is 'structual'; it takes localizer, mosaic"):
        scopes(("structual",))
