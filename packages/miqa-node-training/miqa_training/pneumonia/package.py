"""Writes the package pneumonia-ensemble: graphs of the members, goldens, card with every figure, MODEL_CARD.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from miqa_node.stages.assess.classify.card import AutomationEvidence
from miqa_node.stages.assess.classify.classifier import FINE_TAP
from miqa_node.stages.assess.classify.learned import write_learned
from miqa_node.stages.assess.classify.picture import PictureInput
from miqa_training import weights
from miqa_training.architectures import ClassifierNet
from miqa_training.classifier.export import export_classifier, name_fine_features
from miqa_training.pneumonia.card import card_of, write_goldens
from miqa_training.pneumonia.data import PneumoniaSample, learned_marks
from miqa_training.pneumonia.ensemble import PneumoniaEnsemble
from miqa_training.seal import seal

FINE_STRIDE = 8
"""Side in picture pixels of one feature cell of a map."""


def write_package(
    folder: Path, nets: Mapping[str, ClassifierNet], ensemble: PneumoniaEnsemble, spec: PictureInput,
    samples: Sequence[PneumoniaSample], automation: Sequence[AutomationEvidence],
    training: Mapping[str, Any], metrics: Mapping[str, Any], calibration: Mapping[str, Any], version: str,
) -> Path:  # fmt: skip
    """Write the whole folder."""
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    for name in (member.architecture for member in ensemble.members):
        net = nets[name]
        plain = weights.in_format(net, torch.contiguous_format)
        export_classifier(plain, folder / f"{name}.onnx", spec.channels, spec.rows, spec.columns)
    for member in ensemble.members:
        if member.tap == FINE_TAP:
            name_fine_features(folder / member.file, spec.rows // FINE_STRIDE)
    goldens = write_goldens(folder, ensemble, spec)
    write_learned(folder, learned_marks(samples))
    card = card_of(ensemble, spec, samples, automation, training, metrics, calibration, version, goldens)
    return seal(folder, card)
