"""Side markers: letters drawn into images, samples, and a reader that learns them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

import torch

from miqa_node.stages.assess.landmarks.marker import LETTERS, MARKER_PICTURE
from miqa_training.datasets import DatasetRecord, held_out, may_ship
from miqa_training.landmarks.estimate import reader_of_markers
from miqa_training.landmarks.evaluate import presentation
from miqa_training.landmarks.fit import LandmarkSchedule
from miqa_training.landmarks.marker_render import inscription, paste, side_marker
from miqa_training.landmarks.marker_train import (
    LETTERS_READ,
    annotated_records,
    export_markers,
    marker_image,
)
from miqa_training.landmarks.markers import (
    CROP_PX,
    LONG_SIDE_PX,
    STRIDE,
    MarkerImage,
    MarkerNet,
    RealMarker,
    draw,
    fit_markers,
    levelled,
    loss_of,
    without_inscriptions,
)

pytestmark = pytest.mark.more

PLAIN = np.full((400, 360), 0.3, np.float32)


@pytest.fixture
def images() -> list[MarkerImage]:
    marked = PLAIN.copy()
    marked[90:110, 290:300] = 1.0
    return [MarkerImage(marked, PLAIN.copy(), [RealMarker((295.0, 100.0), 0)])]


def test_a_letter_stands_where_it_was_drawn_and_is_as_high_as_it_was_asked_for() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image = np.zeros((300, 300), np.float32)
        glyph = side_marker("L", rng)
        alone = (np.where(np.indices(glyph[0].shape)[0] > 0, glyph[0], 0), np.zeros_like(glyph[1]))
        paste(image, alone, (150.0, 140.0), 40.0, 0.0, rng, mirrored=False)
        rows, columns = np.nonzero(image > 0.3)
        assert abs(np.median(columns) - 150) < 45
        assert 30 < np.ptp(rows) < 160, "with its circle or initials"


def test_a_plate_lies_under_its_letter() -> None:
    ink, plate = np.zeros((2, 288, 288), np.float32)
    plate[96:192, 96:192] = 1.0
    ink[134:154, 134:154] = 1.0
    for seed in range(10):
        image = PLAIN.copy()
        paste(image, (ink, plate), (180.0, 200.0), 70.0, 0.0, np.random.default_rng(seed), mirrored=False)
        corner, middle = image[170, 150], image[200, 180]
        assert abs(float(corner) - 0.3) > 0.005, "the plate has a tone of its own"
        assert abs(float(middle) - float(corner)) > 0.05, "and the letter another one"
        assert image[20, 20] == PLAIN[20, 20]


def test_mirror_writing_is_the_mirror_image() -> None:
    glyph = side_marker("R", np.random.default_rng(3))
    one, other = np.zeros((200, 200), np.float32), np.zeros((200, 200), np.float32)
    paste(one, glyph, (100.0, 100.0), 40.0, 0.0, np.random.default_rng(1), mirrored=False)
    paste(other, glyph, (100.0, 100.0), 40.0, 0.0, np.random.default_rng(1), mirrored=True)
    assert np.abs(other - one).mean() > 0.005
    assert np.abs(other[:, ::-1][:, :-1] - one[:, 1:]).mean() < 0.5 * np.abs(other - one).mean()


def test_a_letter_at_the_border_is_cut_and_outside_nothing_is_drawn() -> None:
    rng = np.random.default_rng(0)
    image = PLAIN.copy()
    paste(image, side_marker("D", rng), (0.0, 0.0), 40.0, 20.0, rng, mirrored=False)
    assert (image != PLAIN).any()
    image = PLAIN.copy()
    paste(image, inscription(rng), (-500.0, 2000.0), 40.0, 0.0, rng, mirrored=False)
    assert (image == PLAIN).all()


def test_samples_have_a_centre_for_each_letter_and_none_for_other_inscriptions(images: list[MarkerImage]) -> None:
    centres = 0
    for index in range(30):
        part, target = draw(images, 1, index)
        again, _ = draw(images, 1, index)
        assert torch.equal(part, again)
        assert part.shape == (1, CROP_PX, CROP_PX)
        assert target.shape == (len(LETTERS), CROP_PX // STRIDE, CROP_PX // STRIDE)
        assert float(part.min()) >= -1.0
        assert float(part.max()) <= 1.0
        centres += int((target > 0.95).any())
    assert 10 < centres < 30


def test_inscriptions_are_filled_from_around_them() -> None:
    image = PLAIN.copy()
    image[40:60, 36:72] = 1.0
    clean = without_inscriptions(image, [(0.1, 0.1, 0.2, 0.15)])
    assert np.abs(clean - PLAIN).max() < 0.02
    assert levelled(np.full((1024, 512), 7, np.uint8)).shape == (LONG_SIDE_PX, LONG_SIDE_PX // 2)


def test_the_loss_prefers_the_letter_at_its_place() -> None:
    target = torch.zeros(1, 3, 8, 8)
    target[0, 1, 4, 4] = 1.0
    right, elsewhere, other = (torch.full((1, 3, 8, 8), -5.0) for _ in range(3))
    right[0, 1, 4, 4] = elsewhere[0, 1, 1, 1] = other[0, 0, 4, 4] = 5.0
    losses = [float(loss_of(logits, target)[0]) for logits in (right, elsewhere, other)]
    assert losses[0] < 0.1 < min(losses[1:])


def test_a_reader_learns_a_letter_and_the_graph_says_where_it_is(tmp_path: Path) -> None:
    """A letter of one kind on a plain ground, learned in seconds: the whole way from samples to the node's reader."""
    pixels = np.full((400, 360), 80, np.uint8)
    cv2.putText(pixels, "R", (60, 120), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 4)
    bright = levelled(pixels)
    image = MarkerImage(bright, bright, [RealMarker((72.0, 107.0), 1)])
    schedule = LandmarkSchedule(steps=3, batch=2, rate=4e-3, bfloat16=False, checkpoint=tmp_path / "run.pt")
    net = fit_markers([image], schedule)
    assert int(torch.load(tmp_path / "run.pt", weights_only=True)["step"]) == 3
    with torch.no_grad():  # three steps teach nothing: its last layer is set so that bright cells are an R
        for parameter in net.parameters():
            parameter.zero_()
        list(net.parameters())[-1].copy_(torch.tensor([-9.0, 9.0, -9.0]))
    export_markers(net, tmp_path / "marker.onnx")
    markers = reader_of_markers(tmp_path / "marker.onnx")(presentation(pixels))
    assert {one.letter for one in markers} == {"R"}
    assert all(one.side == "right" for one in markers)
    assert MarkerNet()(torch.zeros(1, 1, MARKER_PICTURE.rows, MARKER_PICTURE.columns)).shape == (1, 3, 64, 64)


def test_letters_of_a_training_image_are_kept_and_unread_inscriptions_are_not(tmp_path: Path) -> None:
    pixels = np.full((200, 200), 80, np.uint8)
    pixels[20:30, 20:30] = pixels[20:30, 160:170] = pixels[160:170, 160:170] = 250
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    boxes = [(0.1, 0.1, 0.15, 0.15), (0.8, 0.1, 0.85, 0.15), (0.8, 0.8, 0.85, 0.85)]
    read = {"letters": {"a.png": [[0.125, 0.125, "R"]]}, "others": {"a.png": [[0.825, 0.825]]}}
    record = DatasetRecord(tmp_path / "a.png", "nih", "free", "p", "PA", "")
    made = marker_image(record, boxes, read)
    [letter] = made.real
    assert [letter.label, *letter.centre] == pytest.approx([1, 64.0, 64.0])
    rows = columns = {"R": slice(58, 68), "other": slice(418, 428), "unread": slice(52, 76)}
    assert made.image[rows["R"], columns["R"]].mean() > 0.9
    assert made.image[rows["other"], columns["other"]].mean() > 0.9
    assert made.image[rows["unread"], 412:436].max() < 0.1, "it is in neither list"
    assert made.clean.max() < 0.1


@pytest.mark.shared
def test_letters_that_were_read_are_of_training_images_and_stand_on_their_side(shared_data: Path) -> None:
    read = json.loads(LETTERS_READ.read_text("utf-8"))
    records = {one.path.name: one for one in annotated_records(shared_data)}
    assert set(read["letters"]) | set(read["others"]) <= set(records)
    fitting = [name for name in read["letters"] if not held_out(records[name]) and may_ship(records[name])]
    assert len(fitting) > 200
    places = [place for file in read["letters"].values() for place in file]
    assert all((letter == "L") == (x > 0.5) for x, _, letter in places)
