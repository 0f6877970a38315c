"""The transformer that learns without labels: what it may see, that it learns, and its graph; and figures of maps."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("sklearn", reason="needs the extra [train]")

from miqa_training.anomaly_regions import OutlinedImage, compact, grow_places, region_figures
from miqa_training.attention.export import ATTENTION, INPUT, OUTPUTS, TOKENS, export_vit
from miqa_training.attention.looks import TransformerGraph, attention_features, place_gradients
from miqa_training.attention.network import MaskedAutoencoder, VitShape, patches
from miqa_training.attention.pretrain import PretrainSettings, pretrain, records_of
from miqa_training.datasets import held_out, read_records
from miqa_training.outlines import box

pytestmark = pytest.mark.more

SHAPE = VitShape(side_px=64, patch_px=8, width=24, depth=2, heads=2, decoder_width=12, decoder_depth=1)
SETTINGS = PretrainSettings(steps=24, batch=8, shape=SHAPE)


@pytest.fixture(scope="module")
def views() -> np.ndarray:
    """Pictures of one dark disc each, so that what is hidden can be guessed."""
    rows, columns = np.indices((77, 77)) / 77
    rng = np.random.default_rng(1)
    centres = rng.uniform(0.4, 0.6, (24, 2))
    return np.stack([np.tanh(20 * (np.hypot(rows - y, columns - x) - 0.3)) for y, x in centres]).astype(np.float32)


def test_hidden_patches_are_not_seen() -> None:
    net = MaskedAutoencoder(SHAPE).eval()
    view = torch.randn(1, 1, 64, 64)
    visible = torch.arange(16)[None]
    other = view.clone()
    other[:, :, 16:, :] += 5.0  # patches from number 16 on
    assert torch.equal(net.encoder(view, visible), net.encoder(other, visible))
    assert not torch.equal(net.encoder(view, visible + 1), net.encoder(other, visible + 1))


def test_patches_are_cut_row_by_row() -> None:
    view = torch.arange(64.0 * 64.0).reshape(1, 1, 64, 64)
    cut = patches(view, 8)
    assert cut.shape == (1, 64, 64)
    assert torch.equal(cut[0, 9].reshape(8, 8), view[0, 0, 8:16, 8:16])


def test_it_learns_and_goes_on_where_it_stopped(views: np.ndarray, tmp_path: Path) -> None:
    longer = replace(SETTINGS, steps=60)
    whole = pretrain(views, tmp_path / "whole", longer)
    assert whole.steps == 60
    first = pretrain(views, tmp_path / "first", replace(SETTINGS, steps=1))
    rng = torch.Generator().manual_seed(3)
    order = torch.rand(24, 64, generator=rng).argsort(dim=1)
    batch = torch.from_numpy(views[:, None, :64, :64].copy())
    with torch.no_grad():
        before, after = (float(run.net(batch, order, 16)) for run in (first, whole))
    assert after < 0.9 * before
    pretrain(views, tmp_path / "parts", replace(longer, steps=20))
    resumed = pretrain(views, tmp_path / "parts", longer, resume=True)
    assert resumed.steps == 60


def test_the_graph_gives_tokens_and_attention(tmp_path: Path) -> None:
    net = MaskedAutoencoder(SHAPE)
    assert export_vit(net.encoder, tmp_path / "model.onnx") < 2e-4
    view = np.random.default_rng(2).normal(size=(64, 64)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    outputs = dict(zip(OUTPUTS, session.run(None, {INPUT: view[None, None]}), strict=True))
    assert outputs[TOKENS].shape == (1, 24, 8, 8)
    assert outputs[ATTENTION].shape == (1, 2, 8, 8)
    # All attention but what goes to the class token is shared out over the places.
    assert np.all(outputs[ATTENTION] > 0)
    assert np.all(outputs[ATTENTION].mean(axis=(2, 3)) < 1.0)
    arrays = TransformerGraph(tmp_path / "model.onnx").attend(view)
    assert arrays.features.shape == (24 + 24 + 2 * 16,)
    assert arrays.places["transformer"].shape == (8, 8, 24)
    assert np.allclose(arrays.places["transformer"][2, 3], outputs[TOKENS][0, :, 2, 3])
    assert arrays.places["gradients"].shape == (8, 8, 10)


def test_places_count_by_their_attention() -> None:
    tokens = np.zeros((3, 8, 8), np.float32)
    tokens[0, 2, 5] = 64.0
    attention = np.ones((2, 8, 8), np.float32)
    assert attention_features(tokens, attention)[0] == pytest.approx(1.0)
    attention[:, 2, 5] = 64.0
    assert attention_features(tokens, attention)[0] == pytest.approx(64.0 * 64.0 / 127.0, rel=1e-3)


def test_gradients_of_places_tell_where_edges_are() -> None:
    view = np.zeros((64, 64), np.float32)
    view[:, 32:] = 1.0
    gradients = place_gradients(view, 8)
    assert gradients[4, 4, -1] > gradients[4, 0, -1]
    assert gradients[4, 4, :9].argmax() == 0  # a vertical edge has a horizontal gradient


def test_only_images_that_may_be_learnt_from_are(tmp_path: Path) -> None:
    def write(folder: str, rows: list[dict[str, str]]) -> None:
        (tmp_path / folder).mkdir()
        names = ["file", "source_set", "licence", "patient", "view", "notes", "split"]
        with (tmp_path / folder / "manifest.csv").open("w", newline="") as stream:
            table = csv.DictWriter(stream, names, restval="")
            table.writeheader()
            table.writerows(rows)

    def row(number: int, source: str = "nih", **other: str) -> dict[str, str]:
        return {"file": f"{source}{number}.png", "source_set": source, "patient": str(number), **other}

    write("cxr_train", [row(n) for n in range(40)] + [row(1, "openist"), row(2, "cohen", licence="CC BY 4.0")])
    write("cxr_pneumonia", [row(3), row(50, "ker224"), row(51, "ker224", split="test")])
    write("cxr_boxes", [row(5)])
    records = records_of(tmp_path)
    names = {record.path.name for record in records}
    assert len(names) == len(records)
    assert "openist1.png" not in names
    assert "ker22451.png" not in names
    assert "nih5.png" not in names
    all_rows = [r for f in ("cxr_train", "cxr_pneumonia") for r in read_records(tmp_path / f)]
    kept_apart = {r.path.name for r in all_rows if held_out(r)}
    assert kept_apart, "no patient was held out"
    assert not names & kept_apart
    assert {"cohen2.png", "ker22450.png"} - kept_apart <= names


def seen(values: np.ndarray, *boxes: tuple[float, float, float, float], patient: str = "1") -> OutlinedImage:
    return OutlinedImage(patient, tuple(box(*one) for one in boxes), np.zeros((64, 64), np.float32), {"map": values})


def test_a_map_that_covers_what_was_drawn_beats_the_baselines() -> None:
    good = np.zeros((32, 32), np.float32)
    good[4:12, 4:12] = 1.0
    drawn = (4 / 32, 4 / 32, 12 / 32, 12 / 32)
    figures = region_figures([seen(good, drawn, patient=str(n)) for n in range(4)])
    rows = figures["methods"]
    assert figures["annotated_share"] == pytest.approx(1 / 16, abs=0.01)
    assert rows["map"]["dice"] > 0.9
    assert rows["map"]["dice_same_area"] > 0.9
    assert rows["map"]["pointing_game"] == 1.0
    assert rows["centre"]["dice"] < 0.1
    assert rows["random"]["dice"] < 0.2
    wrong = region_figures([seen(good[::-1, ::-1].copy(), drawn)])["methods"]["map"]
    assert (wrong["dice"], wrong["pointing_game"]) == (0.0, 0.0)


def test_compact_are_those_that_no_run_of_leads_can_be() -> None:
    images = [
        seen(np.ones((8, 8), np.float32), (0, 0, 0.9, 0.9), (0.4, 0.4, 0.5, 0.5)),
        seen(np.ones((8, 8)), (0, 0, 1, 1)),
    ]
    [region] = compact(images)
    assert [outline.points for outline in region.outlines] == [((0.4, 0.4), (0.5, 0.5))]


def test_a_forest_of_places_finds_the_odd_one() -> None:
    rng = np.random.default_rng(4)
    images = [[rng.normal(size=(8, 8, 5)).astype(np.float32)] for _ in range(30)]
    forest = grow_places(images[:20], images[20:], seed=1)
    odd = images[25][0].copy()
    odd[2, 6] += 8.0
    values = forest.region_map([odd])
    assert [int(at) for at in np.unravel_index(values.argmax(), values.shape)] == [2, 6]
    assert values.max() == pytest.approx(1.0)
