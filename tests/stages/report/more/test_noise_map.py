"""The map of a CT series' noise: a Parametric Map with the values that are in the slices, where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stages.measure.series import making
from tests.stages.report.making import read
from tests.stages.report.test_noise_map import maps, values

SIDE_PX = 3


"""Pixels of 2 mm: blocks of 6 mm."""


def uneven(seed: int) -> making.Image:
    """A body with 10 HU of noise, and 30 in a square right of the middle and above it."""
    image = making.body_ct(10.0, seed=seed)
    random = np.random.default_rng(100 + seed)
    image[60:78, 120:138] = 40.0 + random.normal(0.0, 30.0, (18, 18))
    return image


def test_it_lies_on_the_geometry_of_the_series(tmp_path: Path) -> None:
    """The noisy square is found where the headers of map and slices both place it."""
    [made] = maps(tmp_path, [uneven(n) for n in range(12)])
    ds, source = read(made), making.read(tmp_path / "CT001.dcm")
    assert source.FrameOfReferenceUID == ds.FrameOfReferenceUID
    [shared] = ds.SharedFunctionalGroupsSequence
    [measures] = shared.PixelMeasuresSequence
    assert [float(one) for one in measures.PixelSpacing] == [SIDE_PX * making.SPACING_MM] * 2
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == source.ImageOrientationPatient
    rows, columns = np.nonzero(np.nan_to_num(list(values(ds).values())).mean(axis=0) > 20.0)
    first = np.array([float(one) for one in source.ImagePositionPatient[:2]])
    expected = first + making.SPACING_MM * np.array([128.5, 68.5])  # the middles of columns 120–137, rows 60–77
    for frame in ds.PerFrameFunctionalGroupsSequence:
        x, y, z = (float(one) for one in frame.PlanePositionSequence[0].ImagePositionPatient)
        assert [x + columns.mean() * 6.0, y + rows.mean() * 6.0] == pytest.approx(expected, abs=0.5)
        image = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert image == f"{making.SERIES}.{round(z / 5.0) + 1}"
