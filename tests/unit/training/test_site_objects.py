"""A site's own marks: enough of them or a reason, patients kept apart, both sides before anything is switched on."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from typer.testing import CliRunner  # noqa: E402

from miqa_node.analysis.annotations import EXTERNAL, NO_BOXES, NO_EXTERNAL, REMOVABLE_COMPLETE  # noqa: E402
from miqa_node.analysis.export import OBJECTS_NAME  # noqa: E402
from miqa_node.assess.card import Applicability  # noqa: E402
from miqa_node.assess.objects.sidecar import open_objects  # noqa: E402
from miqa_node.cli.app import app  # noqa: E402
from miqa_node.domain.finding import FindingName  # noqa: E402
from miqa_node.errors import SettingsError  # noqa: E402
from miqa_node.settings import Accelerator, load_settings  # noqa: E402
from miqa_training.objects.evaluate import Rule  # noqa: E402
from miqa_training.objects.export import export  # noqa: E402
from miqa_training.objects.fit import ObjectSchedule  # noqa: E402
from miqa_training.objects.network import ObjectNet  # noqa: E402
from miqa_training.objects.package import picture_input, write_package  # noqa: E402
from miqa_training.objects.site import fit_site, site_examples  # noqa: E402
from miqa_training.objects.start import net_of_package  # noqa: E402

SIDE = 64
BOX = (20, 30, 8, 8)
CHESTS = Applicability(modality=("DX",), body_part=("CHEST",), view=("PA", "AP"))


def write_export(folder: Path, with_objects: int, without: int, patients: int = 60, body_part: str = "CHEST") -> Path:
    """An export of labels: grey pictures, those with an object have a bright square and its box."""
    (folder / "images").mkdir(parents=True)
    lines = []
    rng = np.random.default_rng(1)
    for number in range(with_objects + without):
        marked = number < with_objects
        pixels = rng.integers(80, 100, (SIDE, SIDE)).astype(np.uint8)
        x, y, width, height = BOX
        if marked:
            pixels[y : y + height, x : x + width] = 240
        name = f"images/{number}.png"
        cv2.imwrite(str(folder / name), pixels)
        box = [edge / SIDE for edge in (x, y, x + width, y + height)]
        drawn = [{"box": box, "kind": "external_object", "what": "snap", "sure": True}]
        boxes = {"objects": drawn, "class": EXTERNAL, "boxes": REMOVABLE_COMPLETE}
        nothing = {"objects": [], "class": NO_EXTERNAL, "boxes": NO_BOXES}
        header = {"patient": f"p{number % patients}", "modality": "DX", "body_part": body_part, "view": "PA"}
        lines.append({"file": name, **(boxes if marked else nothing), "comment": "", **header})
    (folder / OBJECTS_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def write_start(folder: Path) -> Path:
    """A package of a network of random weights, for pictures of SIDE."""
    torch.manual_seed(3)
    export(ObjectNet().eval(), folder / "start.onnx", SIDE)
    rules = dict.fromkeys((FindingName.FOREIGN_OBJECT, FindingName.DEVICE_IN_VIEW), Rule(1.0, 0.0, 0.5))
    return write_package(
        folder / "start.onnx", folder / "objects-0.1.0", picture_input(SIDE), rules, (), {}, {}, (), "0.1.0"
    )


@pytest.mark.parametrize(
    ("with_objects", "without", "reason"),
    [(99, 120, "99 images with something marked .* at least 100 are needed"),
     (120, 40, "40 images without such a thing; at least 100 are needed")],
)  # fmt: skip
def test_with_too_few_marks_it_says_what_is_missing(
    tmp_path: Path, with_objects: int, without: int, reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason):
        site_examples(write_export(tmp_path / "labels", with_objects, without), CHESTS)


def test_too_few_patients_cannot_judge(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too few patients"):
        site_examples(write_export(tmp_path / "labels", 100, 100, patients=1), CHESTS)


def test_images_that_the_package_does_not_judge_do_not_count(tmp_path: Path) -> None:
    labels = write_export(tmp_path / "labels", 120, 120, body_part="HAND")
    with pytest.raises(SettingsError, match=r"has 0 images with .* 240 images that the package does not judge do not"):
        site_examples(labels, CHESTS)


def test_no_patient_is_fitted_on_and_judges(tmp_path: Path) -> None:
    labels = write_export(tmp_path / "labels", 120, 120)
    examples = site_examples(labels, CHESTS)
    parts = [{one.record.patient for one in part} for part in (examples.fitting, examples.choosing, examples.judging)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60
    assert len(parts[0]) > 2 * len(parts[1]) - 10
    again = site_examples(labels, CHESTS)
    assert [one.record.path for one in again.judging] == [one.record.path for one in examples.judging]


def test_the_command_asks_for_marks_and_never_writes_among_the_node_s_packages(tmp_path: Path) -> None:
    start = tmp_path / "objects-0.1.0"
    start.mkdir()
    labels = write_export(tmp_path / "labels", 1, 1)
    answer = CliRunner().invoke(app, ["train", "objects", "--start", str(start), "--out", str(tmp_path / "out")])
    assert answer.exit_code == 2
    assert "--labels" in answer.output
    [own] = load_settings(None).model_folders
    there = CliRunner().invoke(
        app, ["train", "objects", "--start", str(start), "--labels", str(labels), "--out", str(own)]
    )
    assert there.exit_code == 2
    assert "before you saw its" in there.output
    neither = CliRunner().invoke(app, ["train", "objects", "--out", str(tmp_path / "out")])
    assert neither.exit_code == 2
    assert "--data" in neither.output


@pytest.mark.slow
def test_a_package_is_fitted_further_and_shows_both_sides(tmp_path: Path) -> None:
    start = write_start(tmp_path)
    net = net_of_package(start)
    image = torch.rand(1, 1, SIDE, SIDE) * 2 - 1
    torch.manual_seed(3)
    with torch.no_grad():
        assert torch.allclose(net(image), ObjectNet().eval()(image), atol=1e-3)
    labels = write_export(tmp_path / "labels", 120, 120)
    schedule = ObjectSchedule(steps=12, batch=4, seed=1)
    made = fit_site(start, labels, tmp_path / "runs", tmp_path / "out", schedule, "0.2.0")
    assert made.folder == tmp_path / "out/objects-0.2.0"
    settings = load_settings(None)
    card = open_objects(made.folder, Accelerator.CPU, settings.assess).card
    figures = card.metrics
    assert figures["start"]["package"] == "objects-0.1.0"
    assert (figures["now"]["found"], figures["now"]["called"]) == pytest.approx(
        (made.now.found, made.now.called), abs=1e-3
    )
    assert made.now.images_with >= 10
    assert made.now.called <= 0.35
    assert card.findings[1].threshold == 0.5, "devices keep their operating point"
    resumed = fit_site(start, labels, tmp_path / "runs", tmp_path / "again", schedule, "0.2.0")
    assert resumed.now == made.now, "from the checkpoint of the finished run"
