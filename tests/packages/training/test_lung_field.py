"""The lung field on top of a landmark package: outlines to learn from, masks that move, a head beside the points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.libraries.plain_statistics.overlap import dice
from miqa_node.stages.assess.landmarks.estimate import LUNGS, WHOLE_OUTPUTS
from miqa_node.stages.assess.landmarks.points import NUMBER
from miqa_node.stages.assess.landmarks.sidecar import runner
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.assess.sidecars import landmark_package
from miqa_training.degrade.sheet import public_chest
from miqa_training.landmarks.data import picture
from miqa_training.landmarks.estimate import reader_of
from miqa_training.landmarks.fit import LandmarkSchedule, TensorPair
from miqa_training.landmarks.lung_field import (
    CELLS,
    CHANNELS,
    LungData,
    LungHead,
    add_head,
    fit_lungs,
    loss_of,
    tapped_graph,
)
from miqa_training.landmarks.lung_figures import found_lungs, summary
from miqa_training.landmarks.lung_outlines import SIDE_PX, drawn_lungs
from miqa_training.landmarks.variation import vary_sample
from tests.packages.training.test_landmarks import annotation_of
from tests.stages.assess.landmarks.making import points_of

pytestmark = pytest.mark.more


def phantom() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bright chest with two dark lungs of half ellipses and a heart: pixels, lungs (2, 256, 256), and its points."""
    rows, columns = np.indices((SIDE_PX, SIDE_PX)) / SIDE_PX
    lungs = np.stack([
        (np.hypot((columns - x) / 0.16, (rows - 0.7) / 0.55) < 1) & (rows < 0.7) for x in (0.3, 0.7)
    ])  # fmt: skip
    heart = np.hypot((columns - 0.58) / 0.11, (rows - 0.62) / 0.14) < 1
    lungs[1] &= ~heart
    pixels = np.where(lungs.any(0), 60, 190) + np.random.default_rng(0).normal(0, 6, (SIDE_PX, SIDE_PX))
    points = points_of(
        apex_l=(0.3, 0.15), apex_r=(0.7, 0.15), lat_l=(0.14, 0.69), lat_r=(0.86, 0.69), cpa_l=(0.14, 0.7),
        cpa_r=(0.86, 0.7), dome_l=(0.3, 0.7), dome_r=(0.7, 0.7), spine_clav=(0.5, 0.2), spine_low=(0.5, 0.7),
    )  # fmt: skip
    return np.clip(pixels, 0, 255).astype(np.uint8), lungs, points


def test_lungs_are_outlined_by_the_points_and_by_what_is_dark_between_them() -> None:
    pixels, lungs, points = phantom()
    drawn = drawn_lungs(pixels, points)
    assert drawn.shape == (2, SIDE_PX, SIDE_PX)
    for one, truth in zip(drawn, lungs, strict=True):
        assert dice(one > 0, truth) > 0.93
    assert np.array_equal(drawn, drawn_lungs(pixels, points)), "the same whenever it is asked"


def test_where_nothing_is_dark_the_lung_is_what_the_points_allow() -> None:
    _, _, points = phantom()
    drawn = drawn_lungs(np.full((100, 90), 128, np.uint8), points)
    assert all(0.03 < one.mean() < 0.3 for one in drawn)


@pytest.mark.parametrize("seed", range(8))
def test_lungs_move_with_the_image(seed: int) -> None:
    pixels, lungs, points = phantom()
    annotation = replace(annotation_of(), points=points)
    sample = vary_sample(annotation, pixels, np.random.default_rng(seed), lungs=lungs.astype(np.uint8))
    plain = vary_sample(annotation, pixels, np.random.default_rng(seed))
    assert np.array_equal(sample.image, plain.image), "masks draw no random number"
    assert np.array_equal(sample.points, plain.points, equal_nan=True)
    assert sample.lungs is not None
    for lung, side in zip(sample.lungs, "lr", strict=True):
        apex, dome = (sample.points[NUMBER[f"{kind}_{side}"]] for kind in ("apex", "dome"))
        if not np.isfinite([*apex, *dome]).all():
            continue
        x, y = (0.5 * (apex + dome) * lung.shape[0]).astype(int)
        assert lung[y, x] > 0.5, "between apex and dome is lung"


def test_a_blade_covers_lung() -> None:
    pixels, lungs, points = phantom()
    annotation = replace(annotation_of(), points=points)
    for seed in range(40):
        sample = vary_sample(annotation, pixels, np.random.default_rng(seed), lungs=lungs.astype(np.uint8))
        assert sample.lungs is not None
        black = sample.image <= 0.0
        whole_columns = black.all(0)
        assert not sample.lungs[:, :, whole_columns].any()


def graph_of_the_node() -> Path:
    settings = load_settings(None)
    return settings.models_dir / landmark_package(settings) / "model.onnx"


def without_lungs(path: Path) -> Path:
    """The node's graph as it was before it found lungs."""
    tapped_graph(graph_of_the_node(), path)
    return path


def test_the_head_changes_no_other_output_and_says_what_torch_says(tmp_path: Path) -> None:
    plain = without_lungs(tmp_path / "plain.onnx")
    torch.manual_seed(3)
    head = LungHead().eval()
    add_head(plain, head, tmp_path / "both.onnx")
    image = picture(public_chest(300))[None].numpy()
    before, after = (GraphSession(f, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
                     for f in (plain, tmp_path / "both.onnx"))  # fmt: skip
    one, other = (runner(session, WHOLE_OUTPUTS)(image) for session in (before, after))
    assert all(np.array_equal(one[name], other[name]) for name in WHOLE_OUTPUTS)
    features = tapped_graph(plain, tmp_path / "tapped.onnx")(image)
    assert features.shape == (1, CHANNELS, CELLS, CELLS)
    with torch.no_grad():
        expected = torch.sigmoid(head(torch.from_numpy(features)))[0].numpy()
    assert np.allclose(after.run((LUNGS,), {"image": image})[LUNGS][0], expected, atol=1e-4)
    assert not list(tmp_path.glob("*.head.onnx"))


def test_a_graph_of_another_kind_is_refused(tmp_path: Path) -> None:
    import onnx

    plain = onnx.load(str(graph_of_the_node()))
    for node in plain.graph.node:
        if node.op_type == "Conv":
            node.op_type = "ConvInteger"
    onnx.save(plain, str(tmp_path / "other.onnx"))
    with pytest.raises(ValueError, match="not one of the landmark network"):
        tapped_graph(tmp_path / "other.onnx", tmp_path / "tapped.onnx")


def test_a_head_learns_a_lung_and_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    def draw(index: int) -> TensorPair:
        field = torch.zeros(2, CELLS, CELLS)
        field[0, 10:50, 5:25] = field[1, 10:50, 40:60] = 1.0
        features = torch.zeros(CHANNELS, CELLS, CELLS)
        features[:2] = field
        noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(index))
        return features + 0.2 * noise, field

    def schedule(steps: int, checkpoint: Path) -> LandmarkSchedule:
        return LandmarkSchedule(steps=steps, batch=2, rate=3e-3, average=0.5, checkpoint=checkpoint, log_every=10)

    whole = fit_lungs(draw, schedule(12, tmp_path / "whole.pt"))
    features, field = draw(1000)
    with torch.no_grad():
        logits = whole(features[None])
    untrained = LungHead().eval()(torch.zeros(1, CHANNELS, CELLS, CELLS))
    assert loss_of(logits, field[None])[0] < loss_of(untrained, field[None])[0]
    resumed = fit_lungs(draw, schedule(12, tmp_path / "whole.pt"))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_samples_are_drawn_from_images_and_their_lungs(tmp_path: Path) -> None:
    pixels, lungs, points = phantom()
    annotation = replace(annotation_of("a.png"), points=points)
    data = LungData([annotation], [], {"a.png": pixels}, {"a.png": lungs.astype(np.uint8)})
    run = tapped_graph(without_lungs(tmp_path / "plain.onnx"), tmp_path / "tapped.onnx")
    (features, field), (again, _) = data.draw(run, 1, 7), data.draw(run, 1, 7)
    assert features.shape == (CHANNELS, CELLS, CELLS)
    assert field.shape == (2, CELLS, CELLS)
    assert 0.0 <= float(field.min()) <= float(field.max()) <= 1.0
    assert torch.equal(features, again)


def test_figures_of_agreement() -> None:
    figures = summary([0.9, 0.95, 1.0, 0.8])
    assert figures == {"images": 4, "mean": 0.913, "median": 0.925, "p10": 0.83, "least": 0.8}


def test_a_package_without_a_lung_field_has_no_figures_of_it(tmp_path: Path) -> None:
    pixels = np.rint(public_chest(200) * 255).astype(np.uint8)
    with pytest.raises(ValueError, match="no lung field"):
        found_lungs(reader_of(without_lungs(tmp_path / "plain.onnx")), pixels)
