"""``miqa-node phantom`` measures phantoms in folders and archives, one line for each scan; verdicts keep their kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.kinds import series_traits
from tests.packages.phantoms.drawing import Acr, cylinder
from tests.stages.measure.series import making
from tests.stages.report.flagged import decode

DRAWN = Acr(noise=10.0)
PLACES = [10.0 * number for number in range(11)]


@pytest.fixture(scope="module")
def images() -> list[making.Image]:
    return DRAWN.images()


def written(folder: Path, images: list[making.Image], root: str = "1.2.3.1", **elements: Any) -> list[Path]:
    def change(dataset: FileDataset) -> None:
        dataset.PixelSpacing = [DRAWN.spacing, DRAWN.spacing]
        dataset.SliceThickness = "5"
        dataset.PixelBandwidth, dataset.RepetitionTime, dataset.NumberOfAverages = "130", "500", "1"
        dataset.SOPInstanceUID = f"{root}.{dataset.InstanceNumber}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return making.write_series(folder, images, "MR", PLACES, change)


def test_each_scan_has_a_line_with_its_kind_and_values(
    cli: Callable[..., Any], tmp_path: Path, images: list[making.Image]
) -> None:
    written(tmp_path / "acr", images)
    ran = cli("phantom", tmp_path / "acr", "--json", "--out", tmp_path / "pictures")
    assert ran.code == 0
    (line,) = ran.lines
    assert (line["kind"], line["stacks"], line["slices"]) == ("acr_mr_large", 1, 11)
    assert line["series_instance_uid"] == making.SERIES
    results = line["results"]
    assert results["slice_thickness_mm"]["value"] == pytest.approx(5.0, abs=0.3)
    assert results["geometric_accuracy_mm"]["slice_5_horizontal"]["value"] == pytest.approx(190.0, abs=0.8)
    assert results["snr_smoothing"]["normalised"]["value"] > 0.0
    piu = results["piu_percent"]
    assert piu["unit"] == "%"
    assert "200 cm²" in piu["definition"]
    assert (piu["slice"]["role"], piu["slice"]["instance_number"]) == ("slice_7", 7)
    assert {one.name.rpartition("_slice")[2] for one in (tmp_path / "pictures").iterdir()} == {
        "_1.png", "_5.png", "_7.png", "_11.png",
    }  # fmt: skip


def test_a_patient_has_no_kind(tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "head", [making.head_mr(seed=n) for n in range(6)], "MR")
    files = [(InstanceDigest(str(number)), path) for number, path in enumerate(paths)]
    header, _ = read_header(paths[-1])
    assert (
        judge_series(
            header, series_traits(header), files[-1][0], files, SliceTools(decode), 1000
        ).assessment.phantom_kind
        == ""
    )


def test_a_test_object_of_no_known_kind_says_what_it_lacks(cli: Callable[..., Any], tmp_path: Path) -> None:
    at = np.arange(256) - 127.5
    rod = np.hypot(at[None, :] - 50.0, at[:, None]) < 15.0
    images = [np.where(rod, 400.0, cylinder(seed=one)) for one in range(6)]

    def change(dataset: FileDataset) -> None:
        dataset.PixelSpacing = [1.0, 1.0]

    making.write_series(tmp_path / "ct", images, "CT", [5.0 * one for one in range(6)], change)
    (line,) = cli("phantom", tmp_path / "ct", "--json").lines
    assert (line["kind"], line["results"]) == ("", {})
    assert line["recognised"]
    assert line["reason"].startswith("A disc of 200 mm, in which no slice shows the inserts of a Catphan")


def test_a_table_has_units_and_names_what_was_not_measured(
    cli: Callable[..., Any], tmp_path: Path, images: list[making.Image]
) -> None:
    paths = written(tmp_path / "acr", images)
    paths[6].unlink()
    text = cli("phantom", tmp_path / "acr").out
    rows = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    assert rows["Value"] == "Measured\tUnit\tWhy not"
    assert rows["slice_thickness_mm"].split("\t")[1:] == ["mm", ""]
    measured, unit, why = rows["piu_percent"].split("\t")
    assert (measured, unit) == ("not measured", "%")
    assert "no slice 7" in why


def test_a_person_says_which_phantom_it_is(cli: Callable[..., Any], tmp_path: Path, images: list[making.Image]) -> None:
    written(tmp_path / "acr", images[6:7])
    (line,) = cli("phantom", tmp_path / "acr", "--json", "--kind", "mr_uniform").lines
    assert line["kind"] == "mr_uniform"
    assert line["results"]["uniformity_percent"]["value"] is not None
    assert cli("phantom", tmp_path / "acr", "--kind", "nonsense").code == 2
