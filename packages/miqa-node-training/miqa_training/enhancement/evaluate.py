"""``miqa-node evaluate enhancement``: every method on the same noisy images of hospitals unseen in training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.observe.progress import counted
from miqa_node.stages.assess.enhance.likeness import psnr_db, ssim
from miqa_node.stages.assess.enhance.methods import Function, Purpose
from miqa_node.stages.assess.enhance.plane import to_display
from miqa_training.datasets import DatasetRecord, read_records
from miqa_training.degrade import Image, degrade, pitch_of
from miqa_training.enhancement import scores
from miqa_training.outlines import Outline, pathologies
from miqa_training.report.subject import EvaluationSubject
from miqa_training.samples import COLUMN

DOSES: Mapping[str, float] = {"1/2": 0.25, "1/4": 0.5, "1/8": 0.75}
"""Dose fraction → severity of the simulator."""
DETECTOR_PITCH_MM = 0.2
"""Pixel pitch of a typical CR or DR chest image. Most available images are downscaled, and their large pixels would
have little noise; with a detector's pitch they get the noise that a node meets."""
WINDOW_PX = 1024
"""Larger images are evaluated on a central window of this size."""
FINDINGS = (FindingName.NOISE, FindingName.UNSHARP, FindingName.CONTRAST_PROCESSING)
SLOW_METHODS, SLOW_IMAGES = frozenset({"bm3d"}), 2
UNTOUCHED = "untouched"
BOOTSTRAP = 1000


@dataclass(slots=True)
class EnhancementCase:
    """One image with one noise by one method; differences from the original unless said otherwise."""

    patient: str
    gain_db: float
    psnr_db: float
    ssim: float
    ssim_gain: float
    edge_ratio: float | None
    slope_kept: float | None
    structure: float


@dataclass(slots=True)
class EnhancementTally:
    """Cases by dose."""

    cases: dict[str, list[EnhancementCase]] = field(default_factory=dict)

    def add(self, dose: str, case: EnhancementCase) -> None:
        """Keep one."""
        self.cases.setdefault(dose, []).append(case)

    def rows(self, seed: int) -> dict[str, dict[str, Any]]:
        """Figures by dose, with a 95 % interval of the mean gain over patients."""
        return {dose: _figures(cases, seed) for dose, cases in self.cases.items()}


def evaluate_methods(
    functions: Mapping[str, tuple[Purpose, Function]],
    data_dir: Path,
    *,
    subject: EvaluationSubject | None = None,
    images: int = 81,
    seed: int = 7,
) -> dict[str, Any]:
    """All figures as plain data.

    ``images`` is the maximum number of patients, one image each, from the hospitals in ``cxr_eval`` in turn;
    ``cxr_boxes`` contributes twice as many images, and the findings use half as many. ``subject`` is the quality
    package that judges images before and after; without it that part is left out.
    """
    records = unseen_records(data_dir, images)
    denoisers = {n: f for n, (purpose, f) in functions.items() if purpose is Purpose.DENOISE}
    figures: dict[str, Any] = {"images": len(records), "fidelity": {}}
    for place, pitch in (("own_pitch", None), ("detector_pitch", DETECTOR_PITCH_MM)):
        figures["fidelity"][place] = fidelity(denoisers, records, pitch, seed)
    figures["lesions"] = _lesions({n: f for n, (_, f) in functions.items()}, data_dir, 2 * images, seed)
    if subject is not None:
        figures["findings"] = _findings(
            {n: f for n, (_, f) in functions.items()}, records[: max(1, images // 2)], subject, seed
        )
    figures["phantoms"] = _phantoms(denoisers, seed)
    return figures


def unseen_records(data_dir: Path, images: int) -> list[DatasetRecord]:
    """One image each of this number of patients, of the hospitals in ``cxr_eval`` in turn."""
    return _in_turn(_one_of_each_patient(read_records(data_dir / "cxr_eval")))[:images]


def fidelity(
    methods: Mapping[str, Function], records: Sequence[DatasetRecord], pitch_mm: float | None, seed: int
) -> dict[str, Any]:
    """Figures by method and dose, with the noisy image as ``untouched``; over all patients and by hospital."""
    everywhere = {UNTOUCHED: EnhancementTally(), **{name: EnhancementTally() for name in methods}}
    hospitals: dict[str, dict[str, EnhancementTally]] = {}
    for number, record in enumerate(counted(records, "Enhancing")):
        here = hospitals.setdefault(record.source, {name: EnhancementTally() for name in everywhere})
        whole = _read(record)
        original = _middle(whole)
        width, slopes = scores.edge_width_px(original), scores.EdgeSlopes(original)
        for dose, severity in DOSES.items():
            rng = np.random.default_rng((seed, number, round(1000 * severity)))
            noisy = degrade(original, FindingName.NOISE, severity, rng, pitch_mm or pitch_of(whole))
            before, before_ssim = psnr_db(noisy, original), ssim(noisy, original)
            for name, tally in everywhere.items():
                if name in SLOW_METHODS and number >= SLOW_IMAGES:
                    continue
                cleaned = noisy if name == UNTOUCHED else methods[name](noisy)[0]
                after, cleaned_width = psnr_db(cleaned, original), scores.edge_width_px(cleaned)
                similar = ssim(cleaned, original)
                case = EnhancementCase(
                    record.patient, after - before, after, similar, similar - before_ssim,
                    cleaned_width / width if width and cleaned_width else None,
                    slopes.kept(cleaned),
                    scores.structure_taken(noisy - cleaned, original, noisy - original),
                )  # fmt: skip
                tally.add(dose, case)
                here[name].add(dose, case)

    def rows(tallies: Mapping[str, EnhancementTally]) -> dict[str, Any]:
        return {name: tally.rows(seed) for name, tally in tallies.items() if tally.cases}

    return {**rows(everywhere), "hospitals": {name: rows(tallies) for name, tallies in hospitals.items()}}


def _figures(cases: Sequence[EnhancementCase], seed: int) -> dict[str, Any]:
    gains: dict[str, list[float]] = {}
    for case in cases:
        gains.setdefault(case.patient, []).append(case.gain_db)
    by_patient = np.array([np.mean(values) for values in gains.values()])
    rng = np.random.default_rng(seed)
    means = by_patient[rng.integers(0, len(by_patient), (BOOTSTRAP, len(by_patient)))].mean(1)
    return {
        "images": len(cases),
        "gain_db": _mean([case.gain_db for case in cases]),
        "gain_interval": [round(float(v), 2) for v in np.quantile(means, (0.025, 0.975))],
        "gained_share": round(float(np.mean([case.gain_db > 0 for case in cases])), 3),
        "psnr_db": _mean([case.psnr_db for case in cases]),
        "ssim": _mean([case.ssim for case in cases], 4),
        "ssim_gain": _mean([case.ssim_gain for case in cases], 4),
        "slope_kept": _median([case.slope_kept for case in cases if case.slope_kept is not None]),
        "edge_ratio": _median([case.edge_ratio for case in cases if case.edge_ratio is not None]),
        "structure": _mean([case.structure for case in cases], 4),
    }


def _lesions(methods: Mapping[str, Function], data_dir: Path, images: int, seed: int) -> dict[str, Any]:
    """Contrast of the radiologists' boxes at quarter dose, as a share of the original's, and the CNR."""
    figures: dict[str, list[tuple[float, float]]] = {UNTOUCHED: [], **{name: [] for name in methods}}
    for number, outlined in enumerate(pathologies(data_dir)[:images]):
        pixels = cv2.imread(str(outlined.path), cv2.IMREAD_GRAYSCALE)
        original = np.asarray(pixels, np.float32) / np.float32(255)
        rng = np.random.default_rng((seed, number))
        noisy = degrade(original, FindingName.NOISE, DOSES["1/4"], rng, DETECTOR_PITCH_MM)
        boxes = [_box(outline, original.shape) for outline in outlined.outlines]
        contrasts = [(box, scores.lesion_contrast(original, box)) for box in boxes]
        contrasts = [(box, (contrast, cnr)) for box, (contrast, cnr) in contrasts if abs(contrast) > 0.01]
        for name, rows in figures.items():
            if name in SLOW_METHODS and number >= SLOW_IMAGES:
                continue
            shown = noisy if name == UNTOUCHED else methods[name](noisy)[0]
            for box, (contrast, cnr) in contrasts:
                after, after_cnr = scores.lesion_contrast(shown, box)
                rows.append((after / contrast, after_cnr / cnr))
    return {
        name: {
            "boxes": len(values),
            "contrast_ratio": _median([v[0] for v in values]),
            "contrast_ratio_range": [round(float(q), 3) for q in np.quantile([v[0] for v in values], (0.05, 0.95))],
            "cnr_ratio": _median([v[1] for v in values]),
        }
        for name, values in figures.items()
        if values
    }


def _findings(
    methods: Mapping[str, Function], records: Sequence[DatasetRecord], subject: EvaluationSubject, seed: int
) -> dict[str, Any]:
    """Mean probability, and share above the operating point, of the findings that enhancement could change."""
    columns = {name: COLUMN[name] for name in FINDINGS if name in subject.known}
    scales = subject.scales
    judged: dict[str, list[list[float]]] = {}

    def judge(name: str, image: Image) -> None:
        probability = scales.probability(subject(to_display(image)).logits)
        judged.setdefault(name, []).append([float(probability[column]) for column in columns.values()])

    for number, record in enumerate(records):
        original = _read(record)
        if max(original.shape) > WINDOW_PX:
            continue
        rng = np.random.default_rng((seed, number))
        noisy = degrade(original, FindingName.NOISE, DOSES["1/4"], rng, DETECTOR_PITCH_MM)
        judge("original", original)
        judge("quarter dose", noisy)
        for name, function in methods.items():
            if name not in SLOW_METHODS or number < SLOW_IMAGES:
                judge(f"quarter dose, {name}", function(noisy)[0])
                judge(f"original, {name}", function(original)[0])
    return {
        name: {
            finding: {
                "mean_probability": _mean([row[i] for row in rows]),
                "flagged": _mean([float(row[i] >= scales.threshold[column]) for row in rows]),
            }
            for i, (finding, column) in enumerate(columns.items())
        }
        for name, rows in judged.items()
    }


def _phantoms(methods: Mapping[str, Function], seed: int) -> dict[str, Any]:
    """A uniform exposure with the noise of quarter dose: the result must keep its level and show no structure.

    ``mean_shift`` in grey levels of 255; ``left`` is the share of the noise that remains.
    """
    result = {}
    for name, function in methods.items():
        shifts, noise_shares = [], []
        for number, level in enumerate((0.2, 0.4, 0.6, 0.8)):
            flat = np.full((256, 256), level, np.float32)
            rng = np.random.default_rng((seed, number))
            noisy = degrade(flat, FindingName.NOISE, DOSES["1/4"], rng, DETECTOR_PITCH_MM)
            cleaned, _ = function(noisy)
            shifts.append(255.0 * float(cleaned.mean() - noisy.mean()))
            noise_shares.append(float(cleaned.std() / noisy.std()))
        result[name] = {"mean_shift": _mean([abs(s) for s in shifts], 4), "left": _mean(noise_shares)}
    return result


def write_figures(figures: Mapping[str, Any], path: Path) -> None:
    """The figures as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _one_of_each_patient(records: Iterable[DatasetRecord]) -> list[DatasetRecord]:
    first: dict[str, DatasetRecord] = {}
    for record in records:
        first.setdefault(f"{record.source}:{record.patient}", record)
    return list(first.values())


def _in_turn(records: Sequence[DatasetRecord]) -> list[DatasetRecord]:
    """The first of each hospital, then the second of each, and so on: a few images are of all hospitals."""
    order: dict[str, int] = {}
    ranked = []
    for record in records:
        order[record.source] = order.get(record.source, 0) + 1
        ranked.append((order[record.source], record))
    return [record for _, record in sorted(ranked, key=lambda one: one[0])]


def _read(record: DatasetRecord) -> Image:
    pixels = cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        msg = f"cannot decode {record.path.name}"
        raise ValueError(msg)
    return np.asarray(pixels, np.float32) / np.float32(255)


def _middle(image: Image) -> Image:
    top, left = (max(0, (length - WINDOW_PX) // 2) for length in image.shape)
    return np.ascontiguousarray(image[top : top + WINDOW_PX, left : left + WINDOW_PX])


def _box(outline: Outline, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    (x0, y0), (x1, y1) = outline.points
    rows, columns = shape
    left, top = max(0, int(x0 * columns)), max(0, int(y0 * rows))
    return left, top, max(left + 4, int(x1 * columns)), max(top + 4, int(y1 * rows))


def _mean(values: Sequence[float], digits: int = 3) -> float:
    return round(float(np.mean(values)), digits) if len(values) else float("nan")


def _median(values: Sequence[float]) -> float:
    return round(float(np.median(values)), 4) if len(values) else float("nan")
