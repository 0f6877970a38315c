"""What may be exchanged at a machine is read of the header of a slice: the coil of MR, the tube of CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_node.features.phantoms.facts import facts_of
from tests.stages.measure.series import making


@pytest.mark.parametrize(
    ("modality", "keyword", "name"), [("MR", "ReceiveCoilName", "coil"), ("CT", "XRaySourceID", "tube")]
)
def test_coil_and_tube_are_those_of_the_header(tmp_path: Path, modality: str, keyword: str, name: str) -> None:
    def named(dataset: FileDataset) -> None:
        setattr(dataset, keyword, "Part  7")

    [path] = making.write_series(tmp_path, [np.zeros((making.SIDE, making.SIDE))], modality, change=named)
    assert getattr(facts_of(path, 0), name) == "Part 7"
    assert facts_of(tmp_path / "missing.dcm", 0).coil == ""
