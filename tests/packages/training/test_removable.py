"""What can be taken off is told from devices by its place, however many devices there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")

from miqa_node.stages.assess.preprocess import Preprocess, prepare
from miqa_training.datasets import EXTERNAL_OBJECTS, DatasetRecord, ImageCache, ObjectBox, objects_of
from miqa_training.fit import PLACED, QualityFitSettings, fit
from miqa_training.networks import QualityNet, strongest_places
from miqa_training.removable import separate_removable
from miqa_training.samples import CLASSES, Sampler

pytestmark = pytest.mark.more

SPEC = Preprocess()
DISC, BAR = (0.30, 0.28, 0.36, 0.34), (0.60, 0.56, 0.72, 0.60)


def test_the_strongest_places_are_peaks_two_cells_apart() -> None:
    objects = torch.full((1, 1, 12, 12), -5.0)
    objects[0, 0, 2, 2], objects[0, 0, 2, 4], objects[0, 0, 9, 9] = 3.0, 2.0, 1.0
    chosen = strongest_places(objects)[0, 0]
    assert chosen[2, 2]
    assert chosen[9, 9]
    assert not chosen[2, 4]


@torch.no_grad()
def test_one_place_decides_however_many_devices_there_are() -> None:
    net = QualityNet(len(CLASSES), PLACED).eval()
    net.removable.weight.zero_()
    net.removable.weight[0, 0] = 1.0
    net.removable.bias.zero_()  # type: ignore[union-attr, unused-ignore]
    cells, fused = torch.full((1, len(CLASSES), 48, 48), -6.0), torch.zeros(1, 64, 48, 48)
    fused[0, 0] = -9.0
    for row in range(2, 44, 3):
        cells[0, PLACED[1], row, row], fused[0, 0, row, row] = 4.0, -3.0
    devices, _ = net.at_places(cells, fused)
    cells[0, PLACED[0], 10, 40], fused[0, 0, 10, 40] = 6.0, 5.0
    button, places = net.at_places(cells, fused)
    fused[0, 0, 30, 3] = 9.0  # no object is seen there
    assert float(devices) == -3.0
    assert float(button) == 5.0
    assert float(net.at_places(cells, fused)[0]) == 5.0
    assert int(places.argmax()) == 10 * 48 + 40


def test_a_run_without_steps_learns_what_can_be_taken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqa_training.removable.SIMULATED_SAMPLES", 150)  # with 1200 it takes a minute longer
    records = [_record(tmp_path, number) for number in range(24)]
    cache = ImageCache(tmp_path / "cache", [record.path for record in records])
    sampler = Sampler(records, cache, [], SPEC, seed=1, crops=1)
    net = fit(sampler, tmp_path / "run", QualityFitSettings(steps=0, seed=2)).average
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert separate_removable(net, records, cache, sampler, SPEC) >= 12
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed <= {"removable.weight", "removable.bias", "map_weight", "bias"}
    at_disc, at_bar = (np.array([_removable_at(net, one, box) for one in records]) for box in (DISC, BAR))
    assert at_disc[::2].min() > at_bar.max()


def test_without_removable_objects_a_run_leaves_the_layer_as_it_is(tmp_path: Path) -> None:
    records = [_record(tmp_path, number) for number in (1, 3)]
    cache = ImageCache(tmp_path / "cache", [record.path for record in records])
    net = QualityNet(len(CLASSES), PLACED)
    weight = net.removable.weight.clone()
    assert separate_removable(net, records, cache, Sampler(records, cache, [], SPEC, seed=1, crops=1), SPEC) == 0
    assert torch.equal(net.removable.weight, weight)


def test_hoses_that_a_reader_drew_as_external_objects_are_devices() -> None:
    drawn = {"box": [0.1, 0.1, 0.2, 0.2], "kind": "external_object", "sure": True}
    lead = drawn | {"kind": "monitoring"}
    *_, hose, tube = objects_of({"file": "actualmed_0007.jpg", "objects": [lead, lead, drawn, drawn]})
    necklace = objects_of({"file": "actualmed_0019.jpg", "objects": [drawn]})[0]
    assert (hose.kind, tube.sure, necklace.kind) == ("equipment", False, "external_object")
    assert EXTERNAL_OBJECTS.is_file()


def _record(folder: Path, number: int) -> DatasetRecord:
    """A ring and a bar in an even image, a bar in an odd one."""
    rng = np.random.default_rng(number)
    image = rng.normal(110, 4, (384, 384)).astype(np.float32)
    _bar(image)
    objects = [ObjectBox(BAR, "monitoring", sure=True)]
    if number % 2 == 0:
        cv2.circle(image, (int(0.33 * 384), int(0.31 * 384)), 9, 230.0, 5)
        objects.append(ObjectBox(DISC, "external_object", sure=True))
    path = folder / f"image_{number}.png"
    cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))
    return DatasetRecord(path, "nih", "free", str(number), "PA", "", tuple(objects), {}, 384)


def _bar(image: NDArray[np.float32]) -> None:
    cv2.line(image, (int(0.61 * 384), int(0.57 * 384)), (int(0.71 * 384), int(0.59 * 384)), 220.0, 4)


@torch.no_grad()
def _removable_at(net: QualityNet, record: DatasetRecord, box: tuple[float, float, float, float]) -> float:
    pixels = np.asarray(cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE), np.uint16) * np.uint16(257)
    _, fused = net.global_net(torch.from_numpy(prepare(pixels, None, SPEC).global_view))
    row, column = (int(48 * (box[0 + axis] + box[2 + axis]) / 2) for axis in (1, 0))
    return float(net.removable(fused)[0, 0, row, column])
