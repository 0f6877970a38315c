"""Places of slices that are nobody's fault: volumes with ends of their own, rounded positions, odd Instance Numbers."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import FileDataset

from tests.stages.measure.series import making
from tests.stages.measure.series.test_lost_slices import measured
from tests.stages.measure.series.test_places import ODD_NUMBERS
from tests.stages.measure.series.test_stacks import walk


def test_a_series_with_one_odd_instance_number_is_measured(tmp_path: Path) -> None:
    paths = making.write_series(tmp_path, walk(), "CT")

    def odd(dataset: FileDataset) -> None:
        dataset.InstanceNumber = ODD_NUMBERS[0]

    paths[-1:] = making.write_series(tmp_path, walk()[-1:], "CT", [5.0 * (len(paths) - 1)], odd, len(paths))
    assert measured(paths)["slice_gaps"].value == 0.0
