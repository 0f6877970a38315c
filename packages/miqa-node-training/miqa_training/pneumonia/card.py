"""The card of pneumonia-ensemble, and its goldens; needs no torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from miqa_node.stages.assess.classify.card import IMAGE, LOGITS, AutomationEvidence, MapMethod
from miqa_node.stages.assess.classify.classifier import combined, mirrored_logits
from miqa_node.stages.assess.classify.picture import PictureInput, prepare
from miqa_training.degrade import gate
from miqa_training.degrade.sheet import public_chest
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.data import LABELS, POSITIVE, PneumoniaSample, Population
from miqa_training.pneumonia.ensemble import PneumoniaEnsemble
from miqa_training.seal import CHEST_RADIOGRAPHS, golden_pairs

NAME = "pneumonia-ensemble"
GOLDEN_LONG_SIDE_PX = 320
CODES = {
    "Normal": {"value": "17621005", "scheme": "SCT", "meaning": "Normal"},
    "Pneumonia": {"value": "233604007", "scheme": "SCT", "meaning": "Pneumonia"},
}
INTENDED_USE = (
    "Says of frontal chest radiographs whether they look more like those with pneumonia or like normal ones, with a "
    "calibrated probability. Decision support, not diagnosis."
)
NOT_FOR = (
    "diagnosis, or excluding any disease",
    "deciding anything without a person: only sure predictions on images of sufficient quality are automated at all",
    "lateral views, other body parts, CT",
    "telling pneumonia from other opacities: atelectasis, oedema, effusion and tumours were not labelled",
)
OTHER_HOSPITALS = (
    "What a probability means differs between hospitals, and the figures of each tell how far it is off there. It was "
    "calibrated on {children} images of children and {adults} of NIH's adults with a radiologist's label, hospitals "
    "with both labels, and on none of the patients that it is tested on. A site should set its confidence by its own "
    "images."
)
LIMITS = (
    "The children are aged 1 to 5, from one hospital, cut and squashed to squares; the adults are NIH's, 8-bit.",
    (
        "Most labels of adults were mined from reports by NIH and are known to be often wrong; figures on labels that "
        "radiologists gave again for RSNA stand apart and are the ones to believe."
    ),
    (
        "Trained on adults alone, mostly by mined labels, a network is worse than chance on children, and one trained "
        "on children loses much on adults, as the table shows. Expect it of a hospital that is in no table, too."
    ),
    OTHER_HOSPITALS,
    (
        "That adults' mined labels were left out of the training was first suggested by test figures of an earlier "
        "run. The training part says the same, but adults' figures may flatter a little."
    ),
    (
        "Nothing is automated: no collection shows with 95 % confidence that at most 5 % of confident answers are "
        "wrong at a hospital that was not used, and one without an error would need 59 answers. Every prediction waits "
        "for a person. On adults of a hospital in no table, a third of the automated answers of version 0.3.0 "
        "disagreed with the label."
    ),
    (
        "No network here was fitted to or calibrated on a tested patient, nor was the quality network that the "
        "residual member starts from: one table says of each patient what every package may use it for. Versions up to "
        "0.4.0 counted 72 patients as tests that the quality network had been fitted to. They are left out now, and "
        "few of NIH's adults with a radiologist's label remain."
    ),
    (
        "Some of the patients that shares and calibration were chosen on are among those that the quality network was "
        "fitted to, without a label of pneumonia; this may favour the residual member."
    ),
    "Normal and pneumonia are the only labels: every image gets one of them, whatever else it shows.",
    (
        "The map is that of the residual network alone, at 1/8 of the picture's pixels: it is no evidence of the "
        "answer and no border of a lesion, only where to look first."
    ),
)


def card_of(
    ensemble: PneumoniaEnsemble, spec: PictureInput, samples: Sequence[PneumoniaSample],
    automation: Sequence[AutomationEvidence], training: Mapping[str, Any],
    metrics: Mapping[str, Any], calibration: Mapping[str, Any], version: str, goldens: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The card as plain data, without the checksums of files."""
    return {
        "task": "classification",
        "name": NAME,
        "version": version,
        "intended_use": INTENDED_USE,
        "not_for": list(NOT_FOR),
        "limits": limits_of(calibration),
        "applicability": {
            **CHEST_RADIOGRAPHS,
            "sop_class": [],
            "pixel_pitch_mm": None,
        },
        "clinical": True,
        "picture": spec.model_dump(mode="json"),
        "labels": [{"name": label, "code": CODES[label]} for label in LABELS],
        "members": [member.model_dump(mode="json") for member in ensemble.members],
        "map_method": MapMethod.LAYERCAM.value,
        "combination": ensemble.combination.model_dump(mode="json"),
        "operating_point": {"label": POSITIVE, "threshold": ensemble.threshold},
        "automation": [one.model_dump(mode="json") for one in automation],
        "calibration": dict(calibration),
        "training": {"data": sources_of(samples), **training, "date": datetime.now(UTC).date().isoformat()},
        "metrics": dict(metrics),
        "golden": golden_pairs(goldens),
    }


def limits_of(calibration: Mapping[str, Any]) -> list[str]:
    """The card's limitations, with the number of calibration images."""
    return [limit.format_map(calibration) for limit in LIMITS]


def write_goldens(folder: Path, ensemble: PneumoniaEnsemble, spec: PictureInput) -> list[str]:
    """Public sample chests and phantoms, with the ensemble's results."""
    chest = public_chest(GOLDEN_LONG_SIDE_PX)
    opaque = chest.copy()
    cv2.circle(opaque, (chest.shape[1] // 3, chest.shape[0] * 2 // 3), chest.shape[1] // 8, 0.9, -1)
    images = {
        "chest": chest,
        "chest_mirrored": chest[:, ::-1],
        "chest_opacity": cv2.GaussianBlur(opaque, (0, 0), 6.0),
        "chest_dim": chest * 0.4 + 0.2,
        "chest_inverted": gate.inverted(chest),
        "phantom": gate.phantom((300, 260), np.random.default_rng(5)),
    }
    sessions = {
        member.architecture: onnxruntime.InferenceSession(str(folder / member.file), providers=["CPUExecutionProvider"])
        for member in ensemble.members
    }
    for name, image in images.items():
        pixels = np.rint(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)
        cv2.imwrite(str(folder / "golden" / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        inputs = prepare(pixels.astype(np.uint16) * np.uint16(257), spec)
        logits = [
            mirrored_logits(partial(_run, sessions[member.architecture]), inputs, ensemble.combination)
            for member in ensemble.members
        ]
        scores = combined(logits, ensemble.members, ensemble.combination)[0]
        expected = {"scores": {label: round(float(s), 6) for label, s in zip(LABELS, scores, strict=True)}}
        (folder / "golden" / f"{name}.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
    return list(images)


def _run(session: onnxruntime.InferenceSession, image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(session.run([LOGITS], {IMAGE: image})[0], np.float32)


def sources_of(samples: Sequence[PneumoniaSample]) -> list[dict[str, Any]]:
    """Collections used for fitting or calibration, with licence, images and patients."""
    used = [sample for sample in samples if sample.part in {PatientPart.TRAIN, PatientPart.CALIBRATE}]
    named = {
        Population.CHILDREN: "Kermany et al., Mendeley 10.17632/rscbjbr9sj",
        Population.ADULTS: "NIH ChestX-ray14, some labelled again for RSNA",
    }
    counts = Counter((sample.population, sample.licence) for sample in used)
    return [
        {
            "source": named[population],
            "licence": licence,
            "images": images,
            "patients": len({s.patient for s in used if s.population is population}),
        }
        for (population, licence), images in counts.most_common()
    ]
