"""The network learns, resumes, exports to ONNX and says the same there."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")

from miqa_node.stages.assess.preprocess import GlobalView, Preprocess
from miqa_training import losses
from miqa_training.export import INPUTS, export, fold_normalisation
from miqa_training.fit import CHECKPOINT, PLACED, QualityFit, QualityFitSettings, collate, fit
from miqa_training.graph import OUTPUTS, QualityGraph
from miqa_training.networks import ExportedNet, QualityNet
from miqa_training.onnx_graph import TOLERANCE, compare, write_graph
from miqa_training.samples import CLASSES, MAP_CLASSES, TrainingSample
from miqa_training.start import classes_in, read_weights
from miqa_training.texture import FREQUENCIES, ORIENTATIONS, TextureNet, filter_bank

pytestmark = pytest.mark.more

SPEC = Preprocess(global_view=GlobalView(rows=64, columns=64))


@pytest.fixture(scope="module")
def net() -> QualityNet:
    torch.manual_seed(3)
    net = QualityNet(len(CLASSES), PLACED)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    for silent in (net.classify_texture, net.grade_texture):  # equal constants would become one in the graph
        silent.weight.data.normal_(0, 0.05)
    net.eval()
    return net


class _Easy:
    """A sampler with the Sampler's signature: bright images have the first defect, dark ones have none."""

    def __call__(self, index: int) -> TrainingSample:
        rng = np.random.default_rng(index)
        bright = index % 2
        view = rng.normal(bright * 2 - 1, 0.3, (1, 64, 64)).astype(np.float32)
        crops = rng.normal(bright * 2 - 1, 0.3, (2, 1, 32, 32)).astype(np.float32)
        present = np.zeros(len(CLASSES), np.float32)
        present[0] = bright
        cells = np.zeros((len(MAP_CLASSES), 8, 8), np.float32)
        return TrainingSample(
            view, crops, present, present * 0.7, cells, np.zeros(cells.shape, np.int16), np.zeros(0, np.float32)
        )


def test_a_graph_that_says_something_else_than_torch_is_refused(tmp_path: Path) -> None:
    net = torch.nn.Conv2d(1, 2, 3).eval()
    example = (torch.rand(1, 1, 8, 8),)
    assert write_graph(net, tmp_path / "same.onnx", [example], ["image"], ["found"]) < TOLERANCE
    with pytest.raises(ValueError, match="differs from torch"):
        write_graph(net, tmp_path / "other.onnx", [example], ["image"], ["found"], tolerance=-1.0)


def test_export_says_what_torch_says(net: QualityNet, tmp_path: Path) -> None:
    assert export(net, tmp_path / "model.onnx", SPEC) < TOLERANCE
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 18
    assert tuple(i.name for i in model.graph.input) == INPUTS[:2]
    assert tuple(o.name for o in model.graph.output) == OUTPUTS
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[1].shape[1:] == [1, 160, 160]
    view = torch.randn(1, 1, 64, 64)
    for count in (1, 4, 16):
        example = (view, torch.randn(count, 1, 160, 160))
        assert compare(ExportedNet(net), tmp_path / "model.onnx", [example], INPUTS[:2], OUTPUTS)[0] < TOLERANCE
    prediction = QualityGraph(tmp_path / "model.onnx", SPEC)(np.full((200, 220), 30000, np.uint16))
    assert prediction.logits.shape == prediction.severity.shape == (len(CLASSES),)
    assert prediction.maps.shape == (len(CLASSES), 8, 8)
    assert prediction.maps.min() >= 0
    assert 0 <= prediction.severity.min() <= prediction.severity.max() <= 1


def test_folding_batch_normalisation_changes_nothing(net: QualityNet) -> None:
    folded = fold_normalisation(net)
    layers = [name for name, module in folded.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert layers == ["texture_net.scale"]  # no convolution before it
    view, crops = torch.randn(1, 1, 64, 64), torch.randn(3, 1, 96, 96)
    with torch.no_grad():
        for ours, theirs in zip(net(view, crops), folded(view, crops), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-4)


def test_training_and_exported_forms_agree(net: QualityNet) -> None:
    view, crops = torch.randn(1, 1, 64, 64), torch.randn(5, 1, 160, 160)
    with torch.no_grad():
        logits, severity, cells, *_ = net(view, crops)
        exported = ExportedNet(net)(view, crops)
    assert torch.allclose(logits, exported[0], atol=1e-5)
    assert torch.allclose(severity.sigmoid(), exported[1], atol=1e-5)
    others = ~net.taken_off
    assert torch.allclose(cells[:, others].sigmoid(), exported[2][:, others], atol=1e-5)


def test_number_of_equal_crops_does_not_matter(net: QualityNet) -> None:
    view, crop = torch.randn(1, 1, 64, 64), torch.randn(1, 1, 96, 96)
    with torch.no_grad():
        one, nine = (ExportedNet(net)(view, crop.repeat(n, 1, 1, 1))[0] for n in (1, 9))
    assert torch.allclose(one, nine, atol=1e-5)


def test_placed_classes_hear_only_their_map(net: QualityNet) -> None:
    view = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        first, second = (net(view, torch.randn(2, 1, 96, 96) * scale)[0] for scale in (0.1, 3.0))
    assert torch.equal(first[:, list(PLACED)], second[:, list(PLACED)])
    assert not torch.equal(first[:, 0], second[:, 0])


def test_fit_learns_and_resumes_where_it_was(tmp_path: Path) -> None:
    """A run in two parts ends exactly as the run in one part; an easy class is learned."""
    whole = fit(_Easy(), tmp_path / "whole", QualityFitSettings(steps=24, batch=8, seed=5))
    half = QualityFitSettings(steps=24, batch=8, seed=5, checkpoint_s=0.0)
    _stop_after(tmp_path / "parts", half, 10)
    rest = fit(_Easy(), tmp_path / "parts", half, resume=True)
    assert rest.progress.step == whole.progress.step == 24
    for ours, theirs in zip(whole.net.state_dict().values(), rest.net.state_dict().values(), strict=True):
        assert torch.allclose(ours.float(), theirs.float(), atol=1e-3)
    net = whole.net.eval()
    samples = [_Easy()(i) for i in (100, 101)]
    with torch.no_grad():
        dark, bright = (
            net(torch.from_numpy(s.global_view[None]), torch.from_numpy(s.crops))[0][0, 0].item() for s in samples
        )
    assert bright > dark


def _stop_after(folder: Path, settings: QualityFitSettings, steps: int) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    class Sampler(_Easy):
        def __call__(self, index: int) -> TrainingSample:
            if index >= steps * settings.batch:
                raise Stop
            return super().__call__(index)

    with pytest.raises(Stop):
        fit(Sampler(), folder, settings)


def test_unknown_labels_cost_nothing() -> None:
    logits = torch.randn(4, 14, requires_grad=True)
    assert losses.presence(logits, torch.full((4, 14), -1.0), torch.full((4, 14), -1.0)).item() == 0
    assert losses.severity(logits, torch.full((4, 14), -1.0)).item() == 0
    assert losses.ranking(logits, torch.full((4, 14), -1.0)).item() == 0
    cells = torch.randn(2, 2, 6, 6)
    assert losses.cells(cells, torch.full((2, 2, 6, 6), -1.0)).item() == 0
    assert losses.boxes(cells, torch.zeros(2, 2, 6, 6, dtype=torch.int16)).item() == 0


def test_ranking_loss_falls_when_the_order_is_right() -> None:
    expected = torch.tensor([[0.1], [0.5], [0.9]])
    right, wrong = torch.tensor([[-3.0], [0.0], [3.0]]), torch.tensor([[3.0], [0.0], [-3.0]])
    assert losses.ranking(right, expected) < 0.1
    assert losses.ranking(wrong, expected) > 2.0


def test_a_box_wants_some_of_its_cells_not_all() -> None:
    numbers = torch.zeros(1, 2, 8, 8, dtype=torch.int16)
    numbers[0, 0, 2:6, 2:6] = 1
    nothing = torch.full((1, 2, 8, 8), -4.0)
    a_few = nothing.clone()
    a_few[0, 0, 3, 2:6] = 4.0
    a_few[0, 0, 4, 2] = 4.0
    outside = nothing.clone()
    outside[0, 0, 0] = 4.0
    assert losses.boxes(a_few, numbers) < 0.1 * losses.boxes(nothing, numbers)
    assert losses.boxes(outside, numbers) == losses.boxes(nothing, numbers)


def test_textures_tell_noise_from_blur_at_once() -> None:
    """Before anything is learned the log-energies of fine filters rise with noise and fall with blur."""
    rng = np.random.default_rng(4)
    smooth = cv2.GaussianBlur(rng.normal(0, 1, (96, 96)).astype(np.float32), (0, 0), 3.0)
    edges = cv2.GaussianBlur((smooth > 0).astype(np.float32), (0, 0), 0.6)
    variants = (
        edges,
        cv2.GaussianBlur(edges, (0, 0), 1.0),
        edges + rng.normal(0, 0.05, (96, 96)).astype(np.float32),
    )
    texture = TextureNet().eval()
    crops = torch.from_numpy(np.stack(variants)[:, None])
    fine = texture.energies(crops)[:, : len(texture.filters)].mean((1, 2, 3))
    assert fine[1] < fine[0] < fine[2]


def test_motion_takes_energy_across_its_direction() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 1, (96, 96)).astype(np.float32)
    sideways = cv2.blur(noise, (5, 1))
    energies = TextureNet().eval().energies(torch.from_numpy(np.stack([noise, sideways])[:, None])).mean((2, 3))
    loss = (energies[0] - energies[1])[: len(FREQUENCIES) * ORIENTATIONS].reshape(len(FREQUENCIES), ORIENTATIONS)
    assert (loss[:, 0] > loss[:, ORIENTATIONS // 2] + 0.5).all()  # waves along the rows suffer, those down do not


def test_filters_see_no_brightness() -> None:
    bank = filter_bank()
    assert np.abs(bank.sum((2, 3))).max() < 1e-5
    assert (bank**2).sum((1, 2, 3)) == pytest.approx(1.0, rel=1e-5)


def test_a_run_begins_with_the_weights_of_a_package(net: QualityNet, tmp_path: Path) -> None:
    export(net, tmp_path / "model.onnx", SPEC)
    fit = QualityFit(QualityFitSettings(steps=1, batch=4, start=str(tmp_path)), tmp_path / "run")
    view, crops, _ = collate([_Easy()(n) for n in range(4)])
    expected = net(view, crops.flatten(0, 1))[0]
    assert torch.allclose(fit.net.eval()(view, crops.flatten(0, 1))[0], expected, atol=1e-4)
    fit.settle(_Easy())
    assert torch.allclose(fit.average.eval()(view, crops.flatten(0, 1))[0], expected, atol=1e-3)
    in_training = fit.net.train()
    in_training.drop.eval()
    forgotten = copy.deepcopy(net).train()
    forgotten.drop.eval()
    difference = (in_training(view, crops.flatten(0, 1))[0] - expected).abs().mean()
    assert difference < 0.5 * (forgotten(view, crops.flatten(0, 1))[0] - expected).abs().mean()


def test_a_class_that_was_split_begins_twice_as_the_old_one() -> None:
    graph = max((Path(__file__).resolve().parents[3] / "models").glob("quality-[0-9]*")) / "model.onnx"
    count = classes_in(graph)
    old, new = QualityNet(count, placed=(1,)), QualityNet(count + 1, placed=(1,))
    read_weights(old, graph)
    read_weights(new, graph, [*range(count), 2])
    view, crops, _ = collate([_Easy()(n) for n in range(2)])
    expected, result = (net.eval()(view, crops.flatten(0, 1)) for net in (old, new))
    for before, after in zip(expected[:3], result[:3], strict=True):
        assert torch.allclose(after[:, :count], before, atol=1e-4)
    for of_class in (result[0], result[2]):
        assert torch.allclose(of_class[:, count], of_class[:, 2], atol=1e-5)


def test_some_of_the_starting_weights_may_stay(tmp_path: Path) -> None:
    first = fit(_Easy(), tmp_path / "first", QualityFitSettings(steps=3, batch=4, seed=1))
    settings = QualityFitSettings(steps=2, batch=4, seed=2, start=str(tmp_path / "first" / CHECKPOINT))
    whole, half = (
        fit(_Easy(), tmp_path / f"{keep}", replace(settings, keep_start=keep)).average.bias for keep in (0.0, 0.5)
    )
    assert not torch.equal(whole, first.average.bias)
    assert torch.allclose(half, (whole + first.average.bias) / 2, atol=1e-6)


def test_a_fixed_view_gives_the_same_maps_while_the_rest_learns(tmp_path: Path) -> None:
    first = fit(_Easy(), tmp_path / "first", QualityFitSettings(steps=3, batch=4, seed=1))
    settings = QualityFitSettings(steps=3, batch=4, seed=2, start=str(tmp_path / "first" / CHECKPOINT), fixed_view=True)
    second = fit(_Easy(), tmp_path / "second", settings)
    view, crops, _ = collate([_Easy()(n) for n in range(2)])
    with torch.no_grad():
        before, after = (run.average(view, crops.flatten(0, 1)) for run in (first, second))
    for part in (2, 3, 4):  # maps and taps
        assert torch.equal(before[part], after[part])
    assert not torch.equal(before[0], after[0])


def test_a_compact_box_weighs_more_and_its_peak_must_be_the_highest() -> None:
    numbers, expected = torch.zeros(1, 1, 16, 16, dtype=torch.int16), torch.zeros(1, 1, 16, 16)
    numbers[0, 0, 2:4, 2:4] = 1
    expected[numbers > 0] = -1.0
    logits = torch.full((1, 1, 16, 16), -4.0)
    here, elsewhere = logits.clone(), logits.clone()
    here[0, 0, 3, 3] = 4.0
    elsewhere[0, 0, 12, 12] = 4.0
    assert losses.peaks(here, expected, numbers) < 0.01
    assert losses.peaks(elsewhere, expected, numbers) > 5.0
    large = torch.zeros_like(numbers)
    large[0, 0, 2:12, 2:12] = 1
    assert losses.boxes(logits, numbers) == losses.COMPACT_WEIGHT * losses.boxes(logits, large)
    assert losses.peaks(logits, expected, torch.zeros_like(numbers)).item() == 0


def test_a_graph_of_another_network_is_no_start(net: QualityNet, tmp_path: Path) -> None:
    export(net, tmp_path / "model.onnx", SPEC)
    with pytest.raises(ValueError, match="holds another network"):
        read_weights(QualityNet(3), tmp_path / "model.onnx")


def test_a_run_begins_with_the_weights_of_another(tmp_path: Path) -> None:
    first = fit(_Easy(), tmp_path / "first", QualityFitSettings(steps=3, batch=4, seed=1))
    settings = QualityFitSettings(steps=1, seed=2, start=str(tmp_path / "first" / CHECKPOINT))
    again = QualityFit(settings, tmp_path / "second")
    for name, value in first.average.state_dict().items():
        assert torch.equal(again.net.state_dict()[name], value), name
    assert again.progress.step == 0
