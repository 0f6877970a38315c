"""Objects that people mark: from decisions on the worklist to the export, and on to what training reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ObjectKind, RegionOutline
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.rows import decisions, worklist
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.site_records import label_requests, labels, marks
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.assess.labels import ACCEPTABLE, GOOD, label_of
from tests.features.labels.command.test_labels import table
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import chest_dataset
from tests.web.staging import NOW, Stage


@pytest.fixture
def config(tmp_path: Path, data_dir: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(f'[node]\ndata_dir = "{data_dir}"\nsite = "General"\n')
    return file


def mark(kind: ObjectKind, place: tuple[float, float] = (0.25, 0.5), side: float = 0.25) -> RegionOutline:
    (left, top), (right, bottom) = place, (place[0] + side, place[1] + side)
    return RegionOutline(((left, top), (right, top), (right, bottom), (left, bottom)), kind.finding, kind)


def decide(
    stage: Stage, number: int, resolution: Resolution, marks: Sequence[RegionOutline] = (), patient: str | None = None
) -> InstanceDigest:
    """One image whose study somebody decided, with marks; a mark is a bright square in the pixels."""
    study, digest = stage.add(number, Verdict.REJECT, patient=patient)
    ds = chest_dataset(number, 0.1)
    pixels = ds.pixel_array.copy()
    for one in marks:
        x0, y0, x1, y1 = one.box
        pixels[round(y0 * ds.Rows) : round(y1 * ds.Rows), round(x0 * ds.Columns) : round(x1 * ds.Columns)] = 4095
    ds.PixelData = pixels.tobytes()
    file = stage.services.settings.node.data_dir / "one.dcm"
    ds.save_as(file)
    stage.services.objects.put(original_key(digest), file.read_bytes())
    with stage.services.database.begin() as transaction:
        worklist.resolve(transaction, study, resolution, "mara", "", NOW, regions={digest: marks} if marks else {})
    return digest


def accept(stage: Stage, number: int) -> InstanceDigest:
    """One image that the node accepted."""
    _, digest = stage.add(number, Verdict.ACCEPT)
    file = stage.services.settings.node.data_dir / "one.dcm"
    chest_dataset(number, 0.1).save_as(file)
    stage.services.objects.put(original_key(digest), file.read_bytes())
    return digest


@pytest.mark.parametrize(
    ("resolution", "kinds", "findings", "label"),
    [(Resolution.CONFIRMED, [ObjectKind.SNAP], ("motion_blur", "foreign_object"), "motion_blur;foreign_object"),
     (Resolution.CONFIRMED, [ObjectKind.IMPLANT], ("motion_blur", "device_in_view"), "motion_blur;device_in_view"),
     (Resolution.DISMISSED, [], (), GOOD), (Resolution.DISMISSED, [ObjectKind.TUBE_LINE], (), GOOD),
     (Resolution.DISMISSED, [ObjectKind.NECK], ("foreign_object",), ACCEPTABLE),
     (Resolution.ACCEPTED, [ObjectKind.NECK], None, ACCEPTABLE), (Resolution.ACCEPTED, [], None, ACCEPTABLE)],
)  # fmt: skip
def test_marked_objects_stand_beside_the_reason_of_the_flag(
    stage: Stage, resolution: Resolution, kinds: list[ObjectKind], findings: tuple[str, ...] | None, label: str
) -> None:
    study, digest = stage.add(1)
    with stage.services.database.begin() as transaction:
        worklist.resolve(
            transaction, study, resolution, "mara", "", NOW, regions={digest: [mark(kind) for kind in kinds]}
        )
        [record] = labels.of_images(transaction, [digest])
    assert record.judgement.findings == findings
    assert [one.kind for one in record.judgement.regions] == kinds
    assert label_of(record.judgement) == label
    assert record.judgement.reason == ("111210" if resolution is Resolution.CONFIRMED else "")


def test_marks_are_exported_as_annotations_that_training_reads(
    cli: Callable[..., Ran],
    config: Path,
    stage: Stage,
    tmp_path: Path,
) -> None:
    decide(stage, 0, Resolution.CONFIRMED, [mark(ObjectKind.SNAP), mark(ObjectKind.MONITORING, (0.6, 0.1), 0.1)])
    decide(stage, 1, Resolution.ACCEPTED, [mark(ObjectKind.NECK, (0.4, 0.0))])
    decide(stage, 2, Resolution.DISMISSED)
    decide(stage, 3, Resolution.CONFIRMED)
    decide(stage, 4, Resolution.DISMISSED, [mark(ObjectKind.TUBE_LINE)])
    decide(stage, 5, Resolution.ACCEPTED)
    out = tmp_path / "export"
    done = cli("labels", "export", out, "--json", "--config", config)
    assert done.code == Exit.OK, done.out
    assert (done.json["images"], sum(done.json["left_out"].values())) == (5, 1)
    lines = [json.loads(line) for line in (out / "annotations.jsonl").read_text("utf-8").splitlines()]
    assert [line["class"] for line in lines] == ["external", "external", "no_external", "devices_only"]
    assert [[one["kind"] for one in line["objects"]] for line in lines] == [
        ["external_object", "monitoring"], ["external_object"], [], ["tube_line"],
    ]  # fmt: skip
    assert lines[0]["objects"][0] == {"box": [0.25, 0.5, 0.5, 0.75], "kind": "external_object", "what": "snap",
                                      "sure": True}  # fmt: skip
    assert all((out / line["file"]).is_file() for line in lines)
    assert {(line["modality"], line["body_part"], line["view"]) for line in lines} == {("DX", "CHEST", "PA")}
    assert [row["label"] for row in table(out / "labels.csv")] == ["motion_blur;foreign_object;device_in_view", "good",
                                                                   "motion_blur", "good"]  # fmt: skip
    assert [row["label"] for row in table(out / "labels.csv")].count("acceptable") == 0

    pytest.importorskip("torch")
    from miqa_training.datasets import objects_of
    from miqa_training.objects.data import object_set
    from miqa_training.objects.site import _example
    from miqa_training.site_labels import read_annotations, read_site_labels

    assert read_annotations(out) == lines
    records = read_site_labels(out)
    assert [record.objects and [one.kind for one in record.objects] for record in records] == [
        ["external_object", "monitoring"], (), None, ["tube_line"],
    ]  # fmt: skip
    assert [one.has_removable for one in records] == [True, False, None, False]
    examples = [_example(out, line) for line in lines]
    pictures = object_set(examples)
    assert [one.removable for one in examples] == [True, True, False, False]
    assert pictures.boxes[0, 0].tolist() == [0.25, 0.5, 0.5, 0.75]
    assert pictures.kind[:, :2].tolist() == [[0, 1], [0, -1], [-1, -1], [2, -1]]
    assert pictures.outside.numpy() == pytest.approx(np.array([[1, 0, 0]] * 3 + [[1, 0.3, 0.3]])), "not all devices"
    assert pictures.somewhere.sum() == 0
    assert objects_of(lines[2]) == ()


def test_marks_of_images_that_nobody_drew_are_exported_and_say_so(
    cli: Callable[..., Ran], config: Path, stage: Stage, tmp_path: Path
) -> None:
    snap, device = mark(ObjectKind.SNAP), mark(ObjectKind.MONITORING)
    flagged = decide(stage, 0, Resolution.DISMISSED)
    decide(stage, 1, Resolution.CONFIRMED)
    drawn, *others = (accept(stage, number) for number in range(2, 6))
    with stage.services.database.begin() as transaction:
        label_requests.ask(transaction, drawn, LabelOrigin.SPOT_CHECK, 0.05, NOW)
        decisions.label(transaction, drawn, Resolution.DISMISSED, "mara", NOW)
        for digest, marked in zip((flagged, *others), ([snap], [snap], [device], [snap]), strict=True):
            marks.add(transaction, digest, "anna", marked, NOW + timedelta(hours=1))
        marks.add(transaction, others[-1], "anna", [], NOW + timedelta(hours=2))
    out = tmp_path / "export"
    done = cli("labels", "export", out, "--json", "--config", config)
    assert done.code == Exit.OK, done.out
    assert (done.json["images"], done.json["left_out"]) == (6, {})
    lines = [json.loads(line) for line in (out / "annotations.jsonl").read_text("utf-8").splitlines()]
    assert [(line["class"], line["chosen"], line["sampled"]) for line in lines] == [
        ("external", "flagged", 1.0), ("no_external", "random", 0.05), ("external", "person", None),
        ("devices_only", "person", None), ("no_external", "person", None),
    ]  # fmt: skip
    rows = [row["label"] for row in table(out / "labels.csv")]
    assert rows == ["motion_blur", "good"], "what was called good shows something: no table says that it does not"
    coco = json.loads((out / "coco.json").read_text("utf-8"))
    assert [one["bad"] for one in coco["images"]] == [False, True, False, None, None, None]
    assert [one["image_id"] for one in coco["annotations"]] == [1, 4, 5]


@pytest.mark.more
@pytest.mark.long
@pytest.mark.timeout(900)
def test_from_marks_on_the_study_page_to_a_package_that_shows_both_sides(
    cli: Callable[..., Ran],
    config: Path,
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for needed in ("torch", "sklearn", "onnxscript", "scipy"):
        pytest.importorskip(needed)
    from tests.packages.training.test_site_objects import write_start

    monkeypatch.chdir(tmp_path)
    start, kinds = write_start(tmp_path), (ObjectKind.SNAP, ObjectKind.NECK, ObjectKind.CLOTHES, ObjectKind.REMOVABLE)
    for number in range(220):
        at = (0.1 + 0.6 * (number % 7) / 7, 0.1 + 0.6 * (number % 5) / 5)
        marks = [mark(kinds[number % 4], at, 0.12)] if number % 2 else []
        resolution = Resolution.ACCEPTED if marks else Resolution.DISMISSED
        decide(stage, number, resolution, marks, patient=f"PID{number // 2}")
        if number == 150:
            assert cli("labels", "export", "early", "--config", config).code == Exit.OK
    words = ("train", "objects", "--start", start, "--out", "candidates", "--version", "0.1.1", "--batch", 4)
    few = cli(*words, "--labels", "early", "--steps", 2)
    assert few.code == Exit.USAGE, few.out + few.err
    assert "75 images with something marked that can be taken off; at least 100 are needed" in few.err
    assert not (tmp_path / "candidates").exists()
    assert cli("labels", "export", "labels", "--config", config).code == Exit.OK
    trained = cli(*words, "--labels", "labels", "--steps", 6)
    assert trained.code == Exit.OK, trained.out + trained.err
    assert "objects-0.1.0: found" in trained.out
    assert "objects-0.1.1: found" in trained.out
    assert "nothing is switched on" in trained.out
    resumed = cli(*words, "--labels", "labels", "--steps", 6)
    assert resumed.out == trained.out, "from the checkpoint of the finished run"
