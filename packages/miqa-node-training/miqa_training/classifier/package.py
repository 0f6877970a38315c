"""Writes the package of a fitted classifier: graph with its card inside, goldens, card.yaml, MODEL_CARD.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.card import GRAPH_NAME
from miqa_node.stages.assess.classify.classifier import open_classifier
from miqa_node.stages.assess.classify.learned import write_learned
from miqa_training.degrade import gate
from miqa_training.seal import seal

GOLDEN_PX = (240, 200)


def write_package(folder: Path, graph: Path, card: Mapping[str, Any], learned: Sequence[str] = ()) -> Path:
    """Write the folder of a package; ``card`` is plain data without goldens and checksums.

    ``learned`` are the marks of the images that it was fitted to and chosen on; a site's certificate needs others.

    Goldens are the project's own phantoms: packages are passed on, so they contain no training images. The finished
    package is opened as a node opens it, so a package that a node would refuse raises an error here.
    """
    shutil.rmtree(folder / "golden", ignore_errors=True)
    (folder / "golden").mkdir(parents=True)
    names = _write_golden_images(folder / "golden", colour=bool(card["picture"]["colour"]))
    plain: dict[str, Any] = json.loads(json.dumps(dict(card)))
    plain["golden"] = [{"input": f"golden/{n}.png", "expected": f"golden/{n}.json"} for n in names]
    shutil.copyfile(graph, folder / GRAPH_NAME)
    if learned:
        write_learned(folder, learned)
    settings = load_settings().assess
    seal(folder, {**plain, "golden": []})  # the package itself computes the expected results of the goldens
    classifier = open_classifier(folder, Accelerator.CPU, settings, goldens_required=False)
    for name in names:
        scores, _ = classifier.see(_golden_display(folder / "golden" / f"{name}.png"))
        expected = {"scores": {label: round(value, 6) for label, value in scores.items()}}
        (folder / "golden" / f"{name}.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
    seal(folder, plain)
    open_classifier(folder, Accelerator.CPU, settings)
    return folder


def _write_golden_images(folder: Path, *, colour: bool) -> list[str]:
    rng = np.random.default_rng(11)
    rows, columns = GOLDEN_PX
    ramp = np.tile(np.linspace(0, 1, columns, dtype=np.float32), (rows, 1))
    rings = 0.5 + 0.5 * np.sin(np.hypot(*np.mgrid[:rows, :columns]) / 9.0)
    made = {
        "phantom": gate.phantom(GOLDEN_PX, np.random.default_rng(5)),
        "phantom_inverted": gate.inverted(gate.phantom(GOLDEN_PX, np.random.default_rng(6))),
        "ramp": ramp,
        "rings": rings,
        "noise": cv2.GaussianBlur(rng.random(GOLDEN_PX, np.float32), (0, 0), 3.0),
        "blank": gate.blank(GOLDEN_PX, np.random.default_rng(4)),
    }
    images = {name: np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8) for name, image in made.items()}
    if colour:
        images["colour_ramp"] = cv2.merge([images["ramp"], images["rings"], 255 - images["ramp"]])
        images["colour_noise"] = np.rint(255 * rng.random((rows, columns, 3))).astype(np.uint8)
    else:
        images["ramp_down"] = np.ascontiguousarray(images["ramp"].T)
        images["rough"] = np.rint(255 * rng.random(GOLDEN_PX)).astype(np.uint8)
    for name, pixels in images.items():
        if not cv2.imwrite(str(folder / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"cannot write {folder / name}.png")
    return list(images)


def _golden_display(path: Path) -> NDArray[np.uint16]:
    pixels = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)).astype(np.uint16) * np.uint16(257)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., 2::-1])
