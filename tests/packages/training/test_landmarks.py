"""The landmark networks: points move with the image, positioning follows from them, and graphs say what torch says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.classify.picture import stretched
from miqa_node.stages.assess.landmarks import positioning
from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate, refine
from miqa_node.stages.assess.landmarks.picture import PICTURE, CloseUp, close_up, close_up_centre
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX, CLOSE_UP_POINTS, MIRRORED, NUMBER, POINTS
from miqa_node.stages.assess.sidecars import open_sidecar
from miqa_training.datasets import DatasetRecord, held_out
from miqa_training.degrade import gate
from miqa_training.landmarks import closeup, variation
from miqa_training.landmarks.data import LandmarkData, draw, read_landmark_data
from miqa_training.landmarks.estimate import reader_of
from miqa_training.landmarks.evaluate import evaluate, simulated_cuts
from miqa_training.landmarks.fit import LandmarkSchedule, fit
from miqa_training.landmarks.losses import LandmarkLoss, LandmarkTargets
from miqa_training.landmarks.network import WHOLE_IMAGE, LandmarkOutput, landmark_net, part_net, places
from miqa_training.landmarks.package import write_package
from miqa_training.landmarks.points import LandmarkAnnotation, spreads
from miqa_training.landmarks.train import export
from miqa_training.landmarks.variation import vary_sample
from tests.stages.assess.landmarks.making import STRAIGHT, points_of

pytestmark = pytest.mark.more


def annotation_of(name: str = "a.png", **changes: tuple[float, float]) -> LandmarkAnnotation:
    record = DatasetRecord(Path(name), "nih", "free", f"patient {name}", "PA", "")
    return LandmarkAnnotation(record, points_of(**changes), frozenset(), (0, 0), (0, 0), 9.0, 0.6)


def image_with_crosses(points: np.ndarray, side: int = 240) -> np.ndarray:
    """A dark image with one bright dot at each point."""
    image = np.full((side, side), 40, np.uint8)
    for x, y in points:
        column, row = int(x * side), int(y * side)
        image[row - 2 : row + 3, column - 2 : column + 3] = 255
    return image


@pytest.fixture(scope="module")
def data() -> LandmarkData:
    annotations = [annotation_of(f"{n}.png", clav_r=(0.54 + 0.01 * n, 0.22)) for n in range(3)]
    pixels = {a.record.path.name: image_with_crosses(a.points) for a in annotations}
    return LandmarkData(annotations[:2], annotations[2:], pixels)


def test_mirroring_twice_is_nothing_and_keeps_the_midline() -> None:
    assert [MIRRORED[n] for n in MIRRORED] == list(range(len(POINTS)))
    assert MIRRORED[NUMBER["spine_low"]] == NUMBER["spine_low"]
    assert MIRRORED[NUMBER["apex_l"]] == NUMBER["apex_r"]


@pytest.mark.parametrize("seed", range(12))
def test_points_stay_on_what_they_mark_whatever_happens_to_the_image(seed: int) -> None:
    """Turned, scaled, shifted, mirrored: where a visible point lies, the image still has its dot."""
    annotation = annotation_of()
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variation, "_presented", lambda image, _: image)
        sample = vary_sample(annotation, image_with_crosses(annotation.points), rng)
    rows, columns = sample.image.shape
    for x, y in sample.points[sample.visible > 0]:
        row, column = int(np.clip(y * rows, 2, rows - 3)), int(np.clip(x * columns, 2, columns - 3))
        assert sample.image[row - 2 : row + 3, column - 2 : column + 3].max() > 0.6
    assert np.isnan(sample.points[sample.visible == 0]).all()
    if sample.mirrored:
        assert sample.points[NUMBER["apex_l"], 0] < sample.points[NUMBER["apex_r"], 0] or not sample.visible[:2].all()


def test_a_cut_lung_is_known_from_its_points() -> None:
    annotation = annotation_of()
    pixels = image_with_crosses(annotation.points)
    cut = np.array([vary_sample(annotation, pixels, np.random.default_rng(n)).cut for n in range(80)])
    margin = np.array([vary_sample(annotation, pixels, np.random.default_rng(n)).margin for n in range(80)])
    assert (cut == 1).sum(0).min() >= 1  # every side is cut sometimes
    assert (cut == 0).sum(0).min() >= 20
    assert (margin[cut == 1] < 0).all()
    assert (margin[cut == 0] > 0).all()


def test_what_the_reader_called_cut_stays_cut() -> None:
    annotation = replace(annotation_of(), cut=frozenset({"left"}))
    sample = vary_sample(annotation, image_with_crosses(annotation.points), np.random.default_rng(3))
    assert sample.cut[1 if sample.mirrored else 0] == 1.0


def test_a_sample_is_the_same_whenever_it_is_drawn(data: LandmarkData) -> None:
    (first, targets), (again, _) = draw(data, 7, 5), draw(data, 7, 5)
    assert torch.equal(first, again)
    assert first.shape == (1, 256, 256)
    assert targets.points.shape == (12, 2)


def test_a_sharp_heat_map_gives_the_place_of_its_peak() -> None:
    heat = torch.zeros(1, 12, 64, 64)
    heat[0, :, 20, 40] = 40.0
    assert places(heat)[0, 3].tolist() == pytest.approx([40.5 / 64, 20.5 / 64], abs=1e-3)


def test_the_loss_falls_with_the_distance_and_ignores_what_is_unknown(data: LandmarkData) -> None:
    _, target = draw(data, 1, 0)
    targets = LandmarkTargets.stack([target])
    loss = LandmarkLoss(torch.from_numpy(spreads()))

    def peaked(shift: float) -> LandmarkOutput:
        grid = (torch.arange(64) + 0.5) / 64
        x, y = (targets.points.nan_to_num(0.5)[0, :, k] + shift for k in (0, 1))
        heat = -((grid[None, None, :] - x[:, None, None]) ** 2 + (grid[None, :, None] - y[:, None, None]) ** 2) / 3e-4
        return LandmarkOutput(heat[None], {name: torch.zeros(1, n) for name, n in WHOLE_IMAGE.state.items()})

    near, far = loss(peaked(0.0), targets)[1], loss(peaked(0.05), targets)[1]
    assert near["place"] < 0.05 < far["place"]
    assert near["heat"] < far["heat"]
    unknown = replace(targets, points=torch.full_like(targets.points, torch.nan), cut=torch.full((1, 4), torch.nan))
    parts = loss(peaked(0.0), unknown)[1]
    assert parts["place"] == parts["heat"] == parts["cut"] == 0.0


def test_the_close_up_knows_where_it_lies(data: LandmarkData) -> None:
    annotation = data.fitting[1]
    display = data.pixels[annotation.record.path.name].astype(np.uint16) * np.uint16(257)
    values = stretched(display, PICTURE.stretch)
    part = close_up(values, close_up_centre(annotation.points))
    assert part.image.shape == (1, 1, 192, 192)
    clavicle = annotation.points[[NUMBER["clav_r"]]]
    inside = (clavicle - (part.left, part.top)) / part.share
    assert part.to_image(inside) == pytest.approx(clavicle)
    column, row = (int(v * 192) for v in inside[0])
    assert part.image[0, 0, row - 3 : row + 4, column - 3 : column + 4].max() > part.image.mean() + 0.5
    corner = close_up(values, (0.0, 1.0))
    assert (corner.left, corner.top) == (0.0, 1.0 - part.share)


def test_rotation_in_the_close_up_equals_that_of_the_points(data: LandmarkData) -> None:
    points = data.fitting[1].points
    three = torch.from_numpy(points[CLOSE_UP_INDEX])[None]
    assert float(closeup.rotation_of(three)) * 100 == pytest.approx(positioning.rotation_percent(points))


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(data: LandmarkData, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def run(name: str, killed_at: int = 10**9) -> dict[str, torch.Tensor]:
        def sample(index: int) -> tuple[torch.Tensor, LandmarkTargets]:
            if index >= killed_at:
                raise KilledError
            return closeup.draw_close_up(data, 1, index)

        torch.manual_seed(0)
        schedule = LandmarkSchedule(steps=4, batch=2, bfloat16=False, checkpoint=tmp_path / name, checkpoint_s=0.0)
        net = landmark_net(closeup.CLOSE_UP)
        net.hidden = torch.nn.Sequential(net.hidden[1], net.hidden[2])  # no chance is involved without dropout
        weights: dict[str, Any] = fit(net, sample, closeup.CloseUpLoss(), schedule).state_dict()
        return weights

    with pytest.raises(KilledError):
        run("killed.pt", killed_at=4)
    assert torch.load(tmp_path / "killed.pt", weights_only=True)["step"] == 2
    resumed, whole = run("killed.pt"), run("whole.pt")
    assert all(torch.allclose(resumed[name], whole[name], atol=1e-6) for name in whole)


def test_a_part_network_begins_with_what_the_whole_one_learned() -> None:
    torch.manual_seed(2)
    whole = landmark_net().eval()
    part = part_net(whole, closeup.CLOSE_UP).eval()
    images = torch.rand(1, 1, 192, 192)
    rows = CLOSE_UP_INDEX
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole, "hidden", part.hidden)
        patch.setattr(whole, "state", part.state)
        patch.setattr(whole, "task", part.task)
        assert torch.allclose(whole(images).heat[:, rows], part(images).heat, atol=1e-6)


def test_the_close_up_replaces_the_clavicles_and_shares_in_the_rest() -> None:
    whole = LandmarkEstimate(
        points_of(), np.full(12, 0.9), np.zeros((12, 2)), np.zeros(4), np.full(4, 0.1), 9.0, 0.0,
        np.array([0.2, 0.1, 0.7, 0.3]), np.zeros(2), 0.0,
    )  # fmt: skip
    part = CloseUp(np.zeros((1, 1, 192, 192), np.float32), 0.3, 0.1)
    outputs = {
        "points": np.array([[0.2, 0.3], [0.8, 0.3], [0.4, 0.3]]), "visible": np.array([0.8, 0.3, 1.0]),
        "rotation": np.array([0.1]), "grade": np.array([0.6, 0.3, 0.0, 0.0]),
    }  # fmt: skip
    estimate = refine(whole, part, outputs)
    assert estimate.points[NUMBER["clav_l"]] == pytest.approx([0.3 + 0.2 * 0.375, 0.1 + 0.3 * 0.375])
    assert estimate.points[NUMBER["apex_l"]] == pytest.approx(STRAIGHT["apex_l"])
    assert estimate.visible[NUMBER["clav_r"]] == pytest.approx(0.6)
    assert estimate.rotation == pytest.approx(0.5 * (0.1 + 1 / 3))
    assert estimate.grade == pytest.approx([0.6, 0.3, 0.7, 0.3]), "the close-up grades rotation"


@pytest.mark.long
def test_both_networks_become_a_package_with_goldens_and_figures(data: LandmarkData, tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole, closer = tmp_path / "whole.onnx", tmp_path / "closer.onnx"
    assert export(landmark_net().eval(), whole) < 2e-4
    assert export(landmark_net(closeup.CLOSE_UP).eval(), closer) < 2e-4
    reader = reader_of(whole, closer)
    display = np.rint(gate.phantom((300, 260), np.random.default_rng(5)) * 65535).astype(np.uint16)
    coarse, fine = reader_of(whole)(display), reader(display)
    others = [n for n in range(len(POINTS)) if POINTS[n] not in CLOSE_UP_POINTS]
    assert np.array_equal(coarse.points[others], fine.points[others])
    assert np.abs(fine.points[NUMBER["clav_l"]] - close_up_centre(coarse.points)).max() < closeup.SHARE
    assert fine.visible.min() >= 0
    assert fine.visible.max() <= 1
    assert fine.error.shape == (12, 2)

    figures = evaluate(reader, data.held_out, data.pixels)
    assert set(figures) == {"all", "nih"}
    assert figures["all"]["images"] == 1
    assert figures["all"]["median_error_percent"] > 0
    cuts = simulated_cuts(reader, data.held_out, data.pixels, draws=4)
    assert set(cuts) == {"left", "right", "top", "bottom"}

    records = [a.record for a in data.fitting]
    folder = write_package(whole, closer, tmp_path / "landmarks-0.0.1", records, {}, {"all": figures["all"]}, "0.0.1")
    settings = load_settings(
        None, node={"data_dir": tmp_path}, assess={"shipped_packages": False, "models_dir": str(tmp_path)}
    )
    _, package = open_sidecar(folder, Accelerator.CPU, settings.assess)
    assert len(package.golden_differences) == 5
    assert max(package.golden_differences.values()) < 1e-4
    assert "Median error percent" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_perfect_estimate_has_no_error(data: LandmarkData) -> None:
    reader = data.held_out[0]

    def perfect(_: np.ndarray) -> LandmarkEstimate:
        return LandmarkEstimate(
            reader.points, np.ones(12), np.zeros((12, 2)), np.zeros(4), np.full(4, 0.1), 9.0, 0.0, np.zeros(4),
            np.zeros(2), 0.0,
        )  # fmt: skip

    figures = evaluate(perfect, data.held_out, data.pixels)["all"]
    assert figures["median_error_percent"] == figures["tilt_median_error_deg"] == figures["ribs_mean_error"] == 0.0
    assert figures["cut_auroc"] is None  # one class only


@pytest.mark.shared
def test_patients_of_the_shared_annotations_are_split_and_may_be_learned_from(
    shared_data: Path, tmp_path: Path
) -> None:
    data = read_landmark_data(shared_data, tmp_path)
    assert len(data.fitting) + len(data.held_out) == 210
    assert len(data.held_out) > 20
    assert not {a.record.patient for a in data.fitting} & {a.record.patient for a in data.held_out}
    assert all(held_out(a.record) for a in data.held_out)
    assert max(max(p.shape) for p in data.pixels.values()) <= 512
