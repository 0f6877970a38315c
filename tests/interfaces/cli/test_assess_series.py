"""``assess`` on folders with slices: one line a series, as a node judges them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from miqa_node import __version__
from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import write_package
from tests.stages.measure.series import making
from tests.stages.units.test_series_fragments import capture
from tests.web.staging import phantom_png

UID = "1.3.6.1.4.1.5962.1.1.0.0.0.1196527414.5534.0.11"
SLICES = ("17106", "17136", "17166", "17196")
"""Of a head, by a GE LightSpeed Plus."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_package(folder / "tiny-1.0.0")
    file = folder / "site.toml"
    assess = f'[assess]\nshipped_packages = false\nmodels_dir = "{folder}"\nquality_package = "tiny-1.0.0"\n'
    file.write_text(f"{assess}[work]\nprocesses = 1\n")
    return file


@pytest.fixture
def head(tmp_path: Path) -> Path:
    folder = tmp_path / "head"
    folder.mkdir()
    for name in SLICES:
        shutil.copy(str(get_testdata_file(f"dicomdirtests/77654033/CT2/{name}")), folder / f"{name}.dcm")
    return folder


def test_a_series_is_one_line_beside_those_of_images(cli: Callable[..., Ran], config: Path, head: Path) -> None:
    (head / "a picture.png").write_bytes(phantom_png())

    ran = cli("assess", head, "--json", "--config", config, "--out", head / "out")

    series, picture = ran.lines
    assert ran.code == Exit.OK
    assert ran.err.endswith("a picture: not a DICOM file, so there is nothing that DICOM objects could refer to.\n")
    assert series["modality"] == "CT"
    assert [Path(file).stem for file in series["files"]] == list(SLICES)
    assert "file" not in series
    assert series["measurements"]["slice_count"] == {"value": 4.0, "unit": "1", "made_by": f"miqa-node-{__version__}"}
    assert (picture["modality"], Path(picture["file"]).name) == ("DX", "a picture.png")
    report = dcmread(head / "out" / f"CT-{series['series_instance_uid']}.sr.dcm")
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    assert [len(one.ReferencedSOPSequence) for one in study.ReferencedSeriesSequence] == [4]


def test_slices_with_series_of_their_own_are_one_stack_and_stay_alone_on_request(
    cli: Callable[..., Ran], config: Path, head: Path
) -> None:
    for path in head.iterdir():
        slice_ = dcmread(path)
        slice_.SeriesInstanceUID = generate_uid()
        slice_.save_as(path)

    together = cli("assess", head, "--json", "--config", config).lines
    alone = cli("assess", head, "--json", "--config", config, "--per-file").lines

    assert [len(line["files"]) for line in together] == [4]
    assert together[0]["measurements"]["slice_count"]["value"] == 4.0
    assert [Path(line["file"]).stem for line in alone] == list(SLICES)
    assert {line["modality"] for line in alone} == {"CT"}


def test_a_single_slice_has_the_keys_of_an_image_too(cli: Callable[..., Ran], config: Path, head: Path) -> None:
    file = head / "17106.dcm"
    line = cli("assess", file, "--json", "--config", config).json
    assert (line["file"], line["files"]) == (str(file), [str(file)])
    assert line["sop_instance_uid"] == dcmread(file).SOPInstanceUID


def cut(path: Path) -> None:
    """Take the last of its pixels away."""
    path.write_bytes(path.read_bytes()[:-200])


def test_a_file_twice_and_damaged_slices(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    head = tmp_path / "drawn"
    first, *_, last = making.write_series(head, [making.body_ct(seed=n) for n in range(4)], "CT")
    shutil.copy(first, head / "again.dcm")
    cut(last)

    ran = cli("assess", head, "--json", "--config", config)
    [line] = ran.lines
    assert ran.err == ""
    assert len(line["files"]) == 5
    assert line["measurements"]["slice_count"]["value"] == 4.0
    assert line["measurements"]["slices_unreadable"]["value"] == 1.0
    assert "undecodable_slices" in [issue["name"] for issue in line["issues"]]
    along = line["along"]
    assert {Path(one["file"]).parent for one in along["slices"]} == {head}
    metal = along["measurements"]["metal_share"]["values"]
    assert [Path(one["file"]) for one, share in zip(along["slices"], metal, strict=True) if share is None] == [last]

    for path in head.iterdir():
        cut(path)
    ran = cli("assess", head, "--json", "--config", config)
    [line] = ran.lines
    assert ran.code == Exit.FAILED
    assert set(line) == {"series_instance_uid", "modality", "files", "error"}
    assert "5 of 5 files could not be assessed." in ran.err


@pytest.mark.more
def test_lines_for_people_name_the_folder(cli: Callable[..., Ran], config: Path, head: Path, tmp_path: Path) -> None:
    capture(tmp_path / "beside", 3)
    ran = cli("assess", head, tmp_path / "beside", "--config", config)
    series, beside = ran.out.splitlines()
    assert f"{head} (CT series, 4 files)" in series
    assert "beside" in beside
