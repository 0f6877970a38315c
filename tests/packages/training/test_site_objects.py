"""A site's own marks: enough of them or a reason, patients kept apart, both sides before anything is switched on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from typer.testing import CliRunner  # noqa: E402

from miqa_node.core.domain.finding import FindingName  # noqa: E402
from miqa_node.core.settings import Accelerator, load_settings  # noqa: E402
from miqa_node.errors import SettingsError  # noqa: E402
from miqa_node.features.labels.annotations import EXTERNAL, NO_BOXES, NO_EXTERNAL, REMOVABLE_COMPLETE  # noqa: E402
from miqa_node.features.labels.export import OBJECTS_NAME  # noqa: E402
from miqa_node.interfaces.cli.app import app  # noqa: E402
from miqa_node.stages.assess.card import Applicability  # noqa: E402
from miqa_node.stages.assess.objects.sidecar import open_objects  # noqa: E402
from miqa_training.objects.data import ObjectExample  # noqa: E402
from miqa_training.objects.evaluate import ExampleVerdict, Rule  # noqa: E402
from miqa_training.objects.export import export  # noqa: E402
from miqa_training.objects.fit import ObjectSchedule  # noqa: E402
from miqa_training.objects.network import ObjectNet  # noqa: E402
from miqa_training.objects.package import picture_input, write_package  # noqa: E402
from miqa_training.objects.site import (  # noqa: E402
    HeldOutImages,
    _sides,
    fit_site,
    operating_limit,
    site_examples,
)
from miqa_training.objects.start import net_of_package  # noqa: E402

pytestmark = pytest.mark.more

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
        picked = {"chosen": "person", "sampled": None}
        lines.append({"file": name, **(boxes if marked else nothing), "comment": "", **header, **picked})
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
    used = examples.fitting, examples.choosing.examples, examples.judging.examples
    parts = [{one.record.patient for one in part} for part in used]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60
    assert len(parts[0]) > 2 * len(parts[1]) - 10
    again = site_examples(labels, CHESTS)
    assert [one.record.path for one in again.judging.examples] == [one.record.path for one in used[2]]


def test_what_people_picked_is_fitted_on_but_neither_chooses_nor_judges(tmp_path: Path) -> None:
    labels = write_export(tmp_path / "labels", 200, 200)
    assert not site_examples(labels, CHESTS).judging.fair, "nobody flagged or drew any: these are all there is"
    lines = [json.loads(line) for line in (labels / OBJECTS_NAME).read_text("utf-8").splitlines()]
    for number, line in enumerate(lines):
        if number % 4 < 3:
            line["chosen"], line["sampled"] = ("flagged", 1.0) if number < 200 else ("random", 0.05)
    (labels / OBJECTS_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    examples = site_examples(labels, CHESTS)
    assert len(examples.fitting) > 200, "what people picked is among them"
    for part in (examples.choosing, examples.judging):
        assert part.fair
        assert all(int(one.record.path.stem) % 4 < 3 for one in part.examples)
        assert [weight for one, weight in zip(part.examples, part.weights, strict=True)] == [
            1.0 if one.removable else 20.0 for one in part.examples
        ]


@pytest.mark.parametrize(
    ("weights", "limit"),
    [(np.ones(40), 38.0), (np.r_[np.full(38, 0.5), 1.0, 19.0], 39.0), (np.r_[np.full(20, 20.0), np.ones(20)], 20.0)],
)
def test_the_operating_point_counts_images_as_many_as_they_stand_for(weights: np.ndarray, limit: float) -> None:
    assert operating_limit(np.arange(40.0), weights) == limit


def test_both_sides_are_shares_of_all_images() -> None:
    def judged(logit: float, removable: bool) -> ExampleVerdict:
        example = SimpleNamespace(removable=removable)
        return ExampleVerdict(cast("ObjectExample", example), np.zeros((3, 1, 1), np.float32), np.array([logit, 0.0]))

    shown = [judged(2.0, True), judged(-2.0, True), judged(1.0, False), judged(-1.0, False)]
    images = HeldOutImages([one.example for one in shown], np.array([1.0, 19.0, 1.0, 3.0]), fair=True)
    sides = _sides(shown, Rule(1.0, 0.0, 0.5), images)
    assert (sides.found, sides.called) == pytest.approx((0.05, 0.25))
    assert "weighted to all images" in sides.words


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


@pytest.mark.parametrize(("option", "minutes"), [([], 160.0), (["--minutes", "20"], 20.0)])
def test_three_hours_are_enough_unless_somebody_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str], minutes: float
) -> None:
    """A run of 180 minutes had reading and judging the images on top."""
    planned: list[ObjectSchedule] = []

    def plan(_start: Path, _labels: Path, _runs: Path, _out: Path, schedule: ObjectSchedule, _version: str) -> None:
        planned.append(schedule)
        raise SettingsError("enough")

    monkeypatch.setattr("miqa_training.objects.site.fit_site", plan)
    labels = write_export(tmp_path / "labels", 1, 1)
    paths = ["--start", str(tmp_path), "--labels", str(labels), "--out", str(tmp_path / "out")]
    CliRunner().invoke(app, ["train", "objects", *paths, *option])
    assert [one.minutes for one in planned] == [minutes]


@pytest.mark.long
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
    assert "People chose the images" in figures["about"]
    assert card.findings[1].threshold == 0.5, "devices keep their operating point"
    resumed = fit_site(start, labels, tmp_path / "runs", tmp_path / "again", schedule, "0.2.0")
    assert resumed.now == made.now, "from the checkpoint of the finished run"
