"""Trains the reader of side markers and writes the landmark package that has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from miqa_node.stages.assess.card import GRAPH_NAME, checked_card, read_sections
from miqa_node.stages.assess.landmarks.card import CLOSE_UP_GRAPH, MARKER_GRAPH, LandmarkCard
from miqa_node.stages.assess.landmarks.estimate import INPUT, LandmarkNetwork
from miqa_node.stages.assess.landmarks.marker import LETTER_CHANCES, LETTERS, MARKER_PICTURE, contradiction
from miqa_node.stages.assess.sidecars import LANDMARKS
from miqa_training import weights
from miqa_training.datasets import DatasetRecord, held_out, may_ship, read_records
from miqa_training.landmarks.estimate import reader_of
from miqa_training.landmarks.evaluate import presentation
from miqa_training.landmarks.fit import LandmarkSchedule
from miqa_training.landmarks.markers import (
    MarkerImage,
    MarkerNet,
    RealMarker,
    fit_markers,
    levelled,
    without_inscriptions,
)
from miqa_training.landmarks.package import LIMITS, WRONG_MARKER_FROM, write_package
from miqa_training.onnx_graph import write_graph
from miqa_training.package import sources_of

LETTERS_READ = Path(__file__).with_name("side_markers.json")
"""Places of letters (x, y, letter) and of other inscriptions (x, y) on training images, as fractions, by file."""
CHECKPOINT = "side_markers.pt"
RATE = 4e-3
"""Learning rate."""
NEAR = 0.013
"""A place this far outside of an annotated box still belongs to it."""
ABOUT = (
    "Images as they are, whose letters all stand on the right side, and their mirror images, whose letters all stand "
    "on the wrong one. Read: a letter was read. Flagged: at the operating point, which these images chose. Misplaced: "
    "the letter of the mirror image by itself, as if the anatomy beside it were usual. Nothing is flagged where no "
    "letter is read; images without one count, too."
)
MARKER_LIMITS = (
    (
        "Side markers: the letters L, R and D (right in Romance languages) are read, in any writing direction and also "
        "in mirror writing; I, S and G (left in such languages) are not, nor are words. Small, faint and cut letters "
        "are missed, and initials beside a marker may be taken for one."
    ),
    (
        "D and the letters of other manufacturers than those of the training were taught by drawing them into images. "
        "No image with a misplaced marker was at hand: figures are those of mirrored copies."
    ),
)


def train_side_markers(
    start: Path, data_dir: Path, runs: Path, out: Path, schedule: LandmarkSchedule, version: str
) -> Path:
    """Fit the reader and write the package ``start`` with it to ``out``; its folder.

    ``data_dir`` is the folder of all collections; ``runs`` keeps the checkpoint, from which an interrupted run resumes.
    """
    runs.mkdir(parents=True, exist_ok=True)
    records = annotated_records(data_dir)
    fitting = [one for one in records if not held_out(one) and may_ship(one)]
    boxes = annotated_boxes(data_dir / "annotations" / "train.jsonl")
    checkpoint = schedule.checkpoint or runs / CHECKPOINT
    read = json.loads(LETTERS_READ.read_text(encoding="utf-8"))
    images = [marker_image(record, boxes[record.path.name], read) for record in fitting]
    net = fit_markers(images, replace(schedule, checkpoint=checkpoint))
    graph = runs / MARKER_GRAPH
    export_markers(net, graph)
    card = checked_card(LandmarkCard, read_sections(start), start.name)
    training = {
        **card.training,
        "side_markers": {
            "start": start.name, "data": sources_of(fitting), "letters": sum(len(one.real) for one in images),
            "seed": schedule.seed,
            "samples": schedule.batch * int(torch.load(checkpoint, weights_only=True)["step"]),
            "command": f"miqa-node train side-markers --start models/{start.name} --data DIR --out models "
            f"--minutes {schedule.minutes:g} --seed {schedule.seed} --version {version}",
        },
    }  # fmt: skip
    reader = reader_of(start / GRAPH_NAME, start / CLOSE_UP_GRAPH, graph)
    metrics = {**card.metrics, "side_markers": marker_figures(reader, data_dir)}
    limits = list(dict.fromkeys((*(card.limits or LIMITS), *MARKER_LIMITS)))
    folder = out / f"{LANDMARKS}-{version}"
    return write_package(
        start / GRAPH_NAME, start / CLOSE_UP_GRAPH, folder, fitting, training, metrics, version, limits, graph
    )


def annotated_records(data_dir: Path) -> list[DatasetRecord]:
    """The training images on which readers marked inscriptions."""
    boxes = annotated_boxes(data_dir / "annotations" / "train.jsonl")
    return [record for record in read_records(data_dir / "cxr_train") if record.path.name in boxes]


def annotated_boxes(file: Path) -> dict[str, list[tuple[float, float, float, float]]]:
    """The boxes of inscriptions, as fractions of the image, by file name."""
    rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return {row["file"]: [tuple(o["box"]) for o in row["objects"] if o["kind"] == "annotation"] for row in rows}


def marker_image(
    record: DatasetRecord, boxes: Sequence[tuple[float, float, float, float]], read: Mapping[str, Any]
) -> MarkerImage:
    """A training image with its letters of LETTERS_READ; inscriptions not ``read`` there are filled from around them.

    Raises
    ------
    OSError
        The image cannot be read.
    """
    letters, words = (read[part].get(record.path.name, []) for part in ("letters", "others"))
    pixels = cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise OSError(f"cannot read {record.path}")
    image = levelled(np.asarray(pixels, np.uint8))
    rows, columns = image.shape
    unread = [box for box in boxes if not any(_inside(box, place) for place in (*letters, *words))]
    real = [RealMarker((x * columns, y * rows), LETTERS.index(letter)) for x, y, letter in letters]
    return MarkerImage(without_inscriptions(image, unread), without_inscriptions(image, boxes), real)


def _inside(box: tuple[float, float, float, float], place: Sequence[Any]) -> bool:
    x, y = place[:2]
    return bool(box[0] - NEAR <= x <= box[2] + NEAR and box[1] - NEAR <= y <= box[3] + NEAR)


class _LetterChances(torch.nn.Module):
    def __init__(self, net: MarkerNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.net(image))


def export_markers(net: MarkerNet, path: Path) -> None:
    """Write the graph of a fitted network for one image."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, 1, MARKER_PICTURE.rows, MARKER_PICTURE.columns)
    examples = [(torch.rand(shape, generator=generator) * 2 - 1,) for _ in range(2)]
    plain = weights.in_format(net.eval(), torch.contiguous_format)
    write_graph(_LetterChances(plain).eval(), path, examples, (INPUT,), (LETTER_CHANCES,))


def marker_figures(reader: LandmarkNetwork, data_dir: Path) -> dict[str, Any]:
    """The card's figures: of the development set by hospital, and of held-out patients."""
    development = read_records(data_dir / "cxr_eval")
    apart = [record for record in annotated_records(data_dir) if held_out(record)]
    return {
        "about": ABOUT,
        "development_set": _by_hospital(reader, development),
        "held_out_patients": _by_hospital(reader, apart),
    }


def _by_hospital(reader: LandmarkNetwork, records: Sequence[DatasetRecord]) -> Mapping[str, Mapping[str, Any]]:
    return {
        source: _agreement(reader, [one for one in records if one.source == source])
        for source in sorted({one.source for one in records})
    }


def _agreement(reader: LandmarkNetwork, records: Sequence[DatasetRecord]) -> dict[str, Any]:
    figures: dict[str, list[bool]] = {
        "read": [],
        "wrongly_flagged": [],
        "mirrored_flagged": [],
        "misplaced_flagged": [],
    }
    for record in records:
        pixels = np.asarray(cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE), np.uint8)
        here, there = (reader(presentation(image)) for image in (pixels, np.ascontiguousarray(pixels[:, ::-1])))
        figures["read"].append(bool(here.markers))
        for name, estimate, mirrored in (
            ("wrongly_flagged", here, here.mirrored), ("mirrored_flagged", there, there.mirrored),
            ("misplaced_flagged", there, 0.0),
        ):  # fmt: skip
            figures[name].append(contradiction(estimate.markers, (), mirrored) >= WRONG_MARKER_FROM)
    return {"images": len(records), **{name: round(float(np.mean(flags)), 3) for name, flags in figures.items()}}
