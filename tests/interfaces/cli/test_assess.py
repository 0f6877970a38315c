"""``assess`` on real files: what it prints, what it writes, and what it does with what it cannot read."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import finding_names, reason_code
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.files import images
from miqa_node.interfaces.cli.saliency import at_source_size, overlay
from tests.interfaces.cli.conftest import Ran
from tests.pictures import picture_pixels
from tests.stages.assess.making import write_package
from tests.stages.report import making
from tests.web.staging import phantom_png

KEYS = """file sop_instance_uid modality body_part verdict experimental certificate score reasons reasons_made_by
narrative findings contributions gate anomaly predictions landmarks lung_field side_markers text
measurements left_out model timings_ms"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings with a tiny but real model package."""
    folder = tmp_path_factory.mktemp("models")
    write_package(folder / "tiny-1.0.0")
    file = folder / "site.toml"
    file.write_text(f'[assess]\nshipped_packages = false\nmodels_dir = "{folder}"\nquality_package = "tiny-1.0.0"\n')
    return file


@pytest.fixture
def folder(tmp_path: Path, samples: Path) -> Path:
    """A radiograph, a picture, a web page that calls itself DICOM, and a note."""
    made = tmp_path / "images"
    (made / "deeper").mkdir(parents=True)
    shutil.copy(samples / "RG1_UNCR.dcm", made / "chest.dcm")
    (made / "deeper" / "phantom.png").write_bytes(phantom_png())
    (made / "page.dcm").write_text("<html>Muster^Erika</html>")
    (made / "note.txt").write_text("not an image")
    return made


def test_pictures_are_what_the_flags_say(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    (tmp_path / "hand.png").write_bytes(phantom_png())

    flags = ("--modality", "CR", "--body-part", "CHEST", "--view", "PA")
    chest = cli("assess", tmp_path / "hand.png", "--json", "--config", config, *flags).json
    unsaid = cli("assess", tmp_path / "hand.png", "--json", "--config", config).json
    hand = cli("assess", tmp_path / "hand.png", "--json", "--config", config, "--body-part", "HAND").json

    assert chest["findings"]
    assert unsaid["verdict"] == "NOT_ASSESSED"
    assert unsaid["body_part"] == {"header": None, "pixels": None}
    assert hand["verdict"] != "ACCEPT"
    assert (hand["findings"], hand["score"], hand["model"]) == ([], None, None)


def test_lines_for_people(cli: Callable[..., Ran], config: Path, folder: Path) -> None:
    ran = cli("assess", folder / "chest.dcm", folder / "page.dcm", "--config", config)

    chest, page = ran.out.splitlines()
    assert chest.split()[0] in {"ACCEPT", "REVIEW", "REJECT", "NOT_ASSESSED"}
    assert str(folder / "chest.dcm") in chest
    assert page.split()[0] == "error"


def test_a_broken_package_stops_it_at_once(cli: Callable[..., Ran], folder: Path, tmp_path: Path) -> None:
    write_package(tmp_path / "models" / "tiny-1.0.0")
    (tmp_path / "models" / "tiny-1.0.0" / "model.onnx").write_bytes(b"other")
    config = tmp_path / "site.toml"
    config.write_text(
        f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path / "models"}"\nquality_package = "tiny-1.0.0"\n'
    )

    ran = cli("assess", folder, "--json", "--config", config)

    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert "model.onnx" in ran.err


def test_a_path_without_images_is_a_wrong_command_line(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "note.txt").touch()

    assert cli("assess", tmp_path / "nothing.dcm").code == Exit.USAGE
    empty = cli("assess", tmp_path)
    assert empty.code == Exit.USAGE
    assert "no images" in empty.err


def test_folders_give_images_only_but_named_files_are_always_taken(folder: Path) -> None:
    (folder / ".hidden.dcm").touch()
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / "IM000001").write_bytes(bytes(128) + b"DICM")

    paths, left_out = images([folder, folder / "note.txt", folder / "page.dcm"])

    assert [path.name for path in paths] == ["IM000001", "chest.dcm", "phantom.png", "page.dcm", "note.txt"]
    assert left_out == 2


def test_folders_that_may_not_be_read_are_faults_and_end_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, who may read everything: the system's refusals are put in."""
    scandir, stat = os.scandir, Path.stat
    (folder / "listed").mkdir()
    (folder / "listed" / "IM1.dcm").touch()

    def refused_scan(path: str) -> Any:
        if Path(path).name == "deeper":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    def refused_stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.parent.name == "listed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "scandir", refused_scan)
    monkeypatch.setattr(Path, "stat", refused_stat)
    paths, left_out = images([folder])

    assert [path.name for path in paths] == ["chest.dcm", "deeper", "IM1.dcm", "page.dcm"]
    assert left_out == 1


def test_a_zip_file_without_images_is_one_quiet_line(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "inner.zip", "w") as packed:
        packed.writestr("letter.txt", "no image")
    with ZipFile(tmp_path / "outer.zip", "w") as packed:
        packed.write(tmp_path / "inner.zip", "inner.zip")
    ran = cli("assess", tmp_path / "outer.zip", "--json", "--config", config)
    assert (ran.code, [line["file"] for line in ran.lines]) == (0, [str(tmp_path / "outer.zip")])
    assert "holds no image" in ran.lines[0]["skipped"]


def test_files_without_preamble_a_medium_and_a_zip_file(
    cli: Callable[..., Ran], config: Path, folder: Path, samples: Path, tmp_path: Path
) -> None:
    bare = (samples / "RG1_UNCR.dcm").read_bytes()[132:]
    medium = tmp_path / "medium"
    medium.mkdir()
    (medium / "IM01").write_bytes(bare)
    (medium / "README").write_text("images of a patient\n" * 900)
    (medium / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    paths, left_out = images([medium])
    assert ([path.name for path in paths], left_out) == (["IM01"], 2)
    assert images([medium / "DICOMDIR"])[0] == paths
    with ZipFile(tmp_path / "cd.zip", "w") as packed:
        packed.write(folder / "chest.dcm", "a/IM1")
        packed.write(folder / "note.txt", "a/note.txt")
    ran = cli("assess", tmp_path / "cd.zip", "--json", "--config", config)
    assert (ran.code, [line["file"] for line in ran.lines]) == (0, [f"{tmp_path / 'cd.zip'}#000000"])


def test_a_map_covers_the_image_from_corner_to_corner() -> None:
    values = np.array([[0, 1], [0, 0]], np.float32)

    fine = at_source_size(values, (40, 60))

    assert fine.shape == (40, 60)
    assert fine[0, -1] == 1
    assert fine[0, 0] == fine[-1, 0] == fine[-1, -1] == 0
    assert fine[0, 30:].mean() > 0.8


def test_an_overlay_colours_only_where_the_map_says_something() -> None:
    display = np.full((20, 20), 30_000, np.uint16)
    values = np.zeros((20, 20), np.float32)
    values[:10] = 1

    picture = overlay(display, values)

    assert (picture[10:] == 30_000 >> 8).all()
    assert np.ptp(picture[0, 0].astype(int)) > 20


def test_a_file_without_uids_is_judged_but_nothing_can_refer_to_it(
    cli: Callable[..., Ran], config: Path, samples: Path, tmp_path: Path
) -> None:
    ds = dcmread(samples / "RG1_UNCR.dcm")
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        delattr(ds, keyword)
    syntax = ds.file_meta.TransferSyntaxUID
    ds.file_meta = type(ds.file_meta)()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(tmp_path / "nameless.dcm", enforce_file_format=False)

    ran = cli("assess", tmp_path / "nameless.dcm", "--json", "--config", config, "--out", tmp_path / "objects")

    (line,) = ran.lines
    assert ran.code == Exit.OK
    assert line["sop_instance_uid"] == ""
    assert line["measurements"]["brightness"]["unit"] == "%"
    assert "lacks UIDs" in ran.err
    assert list((tmp_path / "objects").iterdir()) == []


def test_a_zip_file_among_images_of_a_zip_file_is_told(
    cli: Callable[..., Ran], config: Path, samples: Path, tmp_path: Path
) -> None:
    inner, outer = tmp_path / "inner.zip", tmp_path / "outer.zip"
    image = samples / "RG1_UNCR.dcm"
    for path, content in ((inner, image), (outer, inner)):
        with ZipFile(path, "w") as packed:
            packed.write(content, content.name)
    with ZipFile(outer, "a") as packed:
        packed.write(image, "image.dcm")
    ran = cli("assess", outer, "--json", "--config", config)
    assert ran.code == Exit.FAILED
    assert ["error" in line for line in ran.lines] == [True, False]


@pytest.mark.more
def test_every_file_gets_its_line_and_what_cannot_be_read_its_reason(
    cli: Callable[..., Ran], config: Path, folder: Path, tmp_path: Path
) -> None:
    maps, objects = tmp_path / "maps", tmp_path / "objects"

    ran = cli("assess", folder, "--json", "--config", config, "--saliency-dir", maps, "--out", objects)

    chest, phantom, page = ran.lines
    assert ran.code == Exit.FAILED
    assert [Path(line["file"]).name for line in ran.lines] == ["chest.dcm", "phantom.png", "page.dcm"]
    assert set(page) == {"file", "error"}
    assert "Muster" not in page["error"]
    assert "1 of 3 files could not be assessed" in ran.err
    for line in (chest, phantom):
        assert list(line) == KEYS.split()
        assert line["verdict"] in {"ACCEPT", "REVIEW", "REJECT", "NOT_ASSESSED"}
        assert line["measurements"]["brightness"]["unit"] == "%"
        assert line["timings_ms"]["total"] > 0
    assert chest["sop_instance_uid"] == "1.3.6.1.4.1.5962.1.1.9.1.1.20040826185059.5457"
    assert chest["model"]["name"] == "tiny"
    assert [finding["name"] for finding in chest["findings"]] == list(finding_names())
    assert all(0 <= finding["probability"] <= 1 and 0 <= finding["severity"] <= 1 for finding in chest["findings"])
    codes = {finding["name"]: finding["code"] for finding in chest["findings"] if finding["name"] != "gate"}
    assert codes == {name: reason_code(name).value for name in finding_names() if name != FindingName.GATE}
    assert set(chest["gate"]) == {"inverted", "not_frontal_chest", "blank"}
    _check_maps(maps, chest)
    assert dcmread(objects / "chest.sr.dcm").Modality == "SR"
    assert not list(objects.glob("phantom*"))


def _check_maps(maps: Path, chest: dict[str, Any]) -> None:
    """Exactly the findings above their threshold have a map and a picture of the source's size."""
    written = {path.name for path in maps.glob("chest.*.npy")}
    assert written, "the tiny package finds something in every image"
    assert {path.with_suffix(".npy").name for path in maps.glob("chest.*.png")} == written
    for name in written:
        finding = next(f for f in chest["findings"] if name == f"chest.{f['name']}.npy")
        values = np.load(maps / name)
        assert finding["probability"] >= 0.5
        assert values.dtype == np.float32
        assert values.shape == (1955, 1841)
        assert 0 <= values.min() <= values.max() <= 1
        picture = picture_pixels(maps / name.replace(".npy", ".png"), cv2.IMREAD_COLOR)
        assert picture.shape == (1955, 1841, 3)


@pytest.mark.more
def test_the_anomaly_is_asked_for_by_name(cli: Callable[..., Ran], folder: Path) -> None:
    line = cli("assess", folder / "chest.dcm", "--packages", "anomaly", "--json").json
    assert set(line["anomaly"]) == {"score", "percentile", "baseline"}
    assert 0.0 < line["anomaly"]["score"] < 1.0
    assert 0.0 <= line["anomaly"]["percentile"] <= 100.0
    assert line["predictions"] == []


@pytest.mark.more
def test_files_of_the_same_name_do_not_overwrite_each_others_results(
    cli: Callable[..., Ran], config: Path, samples: Path, tmp_path: Path
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        shutil.copy(samples / "RG3_UNCR.dcm", tmp_path / place / "hand.dcm")

    ran = cli("assess", tmp_path / "a", tmp_path / "b", "--json", "--config", config, "--out", tmp_path / "out")

    assert ran.code == Exit.OK
    assert {path.name for path in (tmp_path / "out").glob("*.sr.dcm")} == {"hand.sr.dcm", "hand~2.sr.dcm"}


@pytest.mark.more
def test_what_is_nothing_to_judge_is_one_quiet_line(
    cli: Callable[..., Ran], config: Path, folder: Path, tmp_path: Path
) -> None:
    for made in making.flagged(making.write(making.small(), tmp_path / "source.dcm")):
        (tmp_path / f"{made.kind}.dcm").write_bytes(made.data)
    files = [tmp_path / f"{kind}.dcm" for kind in ("SR", "SEG", "KOS")]
    ran = cli("assess", *files, folder / "chest.dcm", "--json", "--config", config)
    assert ran.code == 0
    assert [line.get("skipped") for line in ran.lines] == ["The object is not an image."] * 3 + [None]
