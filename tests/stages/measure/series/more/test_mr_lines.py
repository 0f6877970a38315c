"""Lines of an MR series: interference that lies over the picture, and raw data that it lacks."""

from __future__ import annotations

from pathlib import Path

from tests.stages.measure.series.test_mr_lines import measured


def test_a_sound_head_has_neither(tmp_path: Path) -> None:
    values = measured(tmp_path, lambda image: image)
    assert values["mr_zipper"] < 5.0
    assert values["mr_raw_lines"] < 3.0
