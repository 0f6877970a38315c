"""``miqa-node train pneumonia``: three kinds of members on both populations; one kind on each, as a shortcut test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_node.stages.assess.classify.card import AutomationEvidence
from miqa_node.stages.assess.classify.classifier import FINE_TAP
from miqa_node.stages.assess.classify.learned import write_learned
from miqa_node.stages.assess.classify.picture import Clahe, PictureInput
from miqa_training import weights
from miqa_training.architectures import Architecture, ClassifierNet, build
from miqa_training.classifier.export import export_classifier, name_fine_features
from miqa_training.networks import GlobalNet, QualityNet, Widths
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.automation import automation_of
from miqa_training.pneumonia.calibration import calibration_of
from miqa_training.pneumonia.card import NAME, card_of, write_goldens
from miqa_training.pneumonia.data import LABELS, PneumoniaSample, Population, cached_pictures, learned_marks, read_all
from miqa_training.pneumonia.ensemble import PneumoniaEnsemble
from miqa_training.pneumonia.figures import member_figures, tested_figures
from miqa_training.pneumonia.fit import PneumoniaRecipe, fit, logits_of
from miqa_training.pretrained import pretrained
from miqa_training.seal import seal
from miqa_training.start import classes_in, read_weights

MEMBERS = ("resnet", "mobilenet", "densenet")


class QualityTrunk(nn.Module):
    """The residual stages of the quality network (:mod:`miqa_training.networks`)."""

    def __init__(self, net: GlobalNet) -> None:
        super().__init__()
        self.stem, self.stages = net.stem, nn.Sequential(net.stage1, net.stage2, net.stage3, net.stage4)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 160, H / 32, W / 32)."""
        deep: Tensor = self.stages(F.relu(self.stem(images)))
        return deep


def member(name: str, *, quality_graph: Path, mobilenet_file: Path, dropout: float = 0.3) -> ClassifierNet:
    """One member with its starting weights, before training on this task; takes (N, 1, H, W) of values -1 to 1."""
    if name == "mobilenet":
        return pretrained(Architecture.MOBILENET, mobilenet_file, len(LABELS), 1, dropout=dropout)
    if name == "densenet":
        return build(Architecture.DENSENET, len(LABELS), 1, dropout=dropout)
    return ClassifierNet(quality_trunk(quality_graph), Widths().global_stages[-1], len(LABELS), dropout)


@torch.no_grad()
def quality_trunk(graph: Path) -> QualityTrunk:
    """The trunk of a quality package's graph, whose normalisations are folded into the convolutions.

    The graph takes (x - 0.5) / 0.25, but the input here is 2x - 1, so the first convolution is doubled. Normalisations
    start as the identity; ``settle`` of :mod:`miqa_training.pretrained` then computes their statistics.
    """
    net = QualityNet(classes_in(graph))
    read_weights(net, graph)
    trunk = QualityTrunk(net.global_net)
    cast("nn.Conv2d", trunk.stem[0]).weight.mul_(2.0)
    return trunk


PICTURE = PictureInput(rows=192, columns=192, clahe=Clahe(clip_limit=2.0, tiles=8), mean=(0.5,), std=(0.5,))
BOTH, WITH_MINED = "both", "both with mined labels"
TRAINED_ON = (BOTH, WITH_MINED, *Population)
"""Training sets. Only the first is shipped; it leaves out labels mined from adults' reports. The others show the value
of populations and labels. Adults alone are trained on all their labels, because few are radiologists'."""
SHORTCUT_MEMBERS = ("resnet",)
TAPS = {"resnet": FINE_TAP}
"""Member and layer of the map: the one that hit radiologists' boxes most often on training patients
(docs/explanation/pneumonia.md). It is kept for the map even if the member is dropped."""
STARTS_TRAINED = frozenset({"resnet", "mobilenet"})


@dataclass(frozen=True, slots=True)
class PneumoniaSources:
    """Folders of data and starting weights; ``data`` is the folder of all collections."""

    data: Path
    quality_graph: Path
    mobilenet_file: Path
    runs: Path
    """Folder of caches and checkpoints."""


@dataclass(frozen=True, slots=True)
class PneumoniaMaterial:
    """All samples with their pictures, in the same order."""

    samples: Sequence[PneumoniaSample]
    pictures: NDArray[np.uint8]

    def where(self, part: PatientPart, population: Population | None = None) -> NDArray[np.int64]:
        """Indices of a part, of one population or of both."""
        return np.array(
            [n for n, s in enumerate(self.samples) if s.part is part and population in (None, s.population)], np.int64
        )


def read_material(sources: PneumoniaSources) -> PneumoniaMaterial:
    """Samples and cached pictures of the data folder."""
    samples = read_all(sources.data)
    return PneumoniaMaterial(samples, cached_pictures(samples, PICTURE, sources.runs))


def train_member(
    name: str, trained_on: str, material: PneumoniaMaterial, sources: PneumoniaSources, recipe: PneumoniaRecipe
) -> ClassifierNet:
    """One member, resumed from its last checkpoint if there is one."""
    population = None if trained_on in {BOTH, WITH_MINED} else Population(trained_on)
    chosen = material.where(PatientPart.TRAIN, population)
    if trained_on == BOTH:
        chosen = chosen[[material.samples[n].strong for n in chosen]]
    net = member(name, quality_graph=sources.quality_graph, mobilenet_file=sources.mobilenet_file)
    samples = [material.samples[n] for n in chosen]
    checkpoint = checkpoint_file(sources, name, trained_on)
    return fit(net, material.pictures[chosen], samples, recipe, checkpoint, starts_trained=name in STARTS_TRAINED)


def checkpoint_file(sources: PneumoniaSources, name: str, trained_on: str) -> Path:
    """The checkpoint of a member's training."""
    return sources.runs / f"{_slug(trained_on)}-{name}.pt"


def logits_file(sources: PneumoniaSources, name: str, trained_on: str) -> Path:
    """The file with a fitted member's logits on all samples."""
    return sources.runs / f"{_slug(trained_on)}-{name}.logits.npy"


def _slug(trained_on: str) -> str:
    return trained_on.replace(" ", "_")


def train_all(
    sources: PneumoniaSources,
    recipe: PneumoniaRecipe,
    members: Sequence[str] = MEMBERS,
    trained_on: Sequence[str] = TRAINED_ON,
) -> None:
    """Every member on every choice of populations, with its logits on all samples; finished ones are skipped."""
    torch.set_num_threads(1)
    material = read_material(sources)
    for population in trained_on:
        for name in members:
            done = logits_file(sources, name, population)
            if not done.is_file():
                net = train_member(name, population, material, sources, recipe)
                np.save(done, logits_of(net, material.pictures))


def make_package(
    sources: PneumoniaSources, out: Path, recipe: PneumoniaRecipe, version: str, members: Sequence[str] = MEMBERS
) -> Path:
    """Train the missing members, calibrate, export and write the package; returns its folder.

    The figures that need the whole node are added by ``miqa-node evaluate pneumonia --write``.
    """
    train_all(sources, recipe, members, (BOTH,))
    train_all(sources, recipe, SHORTCUT_MEMBERS, TRAINED_ON[1:])
    material = read_material(sources)
    logits = {name: np.load(logits_file(sources, name, BOTH)) for name in members}
    ensemble, calibration = calibration_of(material.samples, logits, TAPS)
    nets = {name: trained_member(name, BOTH, sources) for name in members}
    training = {
        "command": f"miqa-node train pneumonia --data DIR --out DIR --version {version}",
        "members": {name: _start(name) for name in members},
        "recipe": {field.name: getattr(recipe, field.name) for field in fields(recipe)},
        "trained_on": "children (Kermany) and those adults (NIH) whose label a radiologist gave again for RSNA",
        "images": {
            part.value: len(material.where(part)) for part in PatientPart if part is not PatientPart.TRAIN_QUALITY
        },
    }
    metrics = {
        "members": member_figures(material.samples, logits, ensemble.probability(logits)),
        "cross_population": cross_population(sources, material),
    }
    folder = out / f"{NAME}-{version}"
    automation = automation_of(material.samples, ensemble.probability(logits), ensemble.threshold)
    return write_package(
        folder, nets, ensemble, PICTURE, material.samples, automation, training, metrics, calibration, version
    )


def trained_member(name: str, trained_on: str, sources: PneumoniaSources) -> ClassifierNet:
    """A fitted member from its last checkpoint."""
    net = member(name, quality_graph=sources.quality_graph, mobilenet_file=sources.mobilenet_file)
    state = torch.load(checkpoint_file(sources, name, trained_on), weights_only=True)
    net.load_state_dict(state["average"])
    net.eval()
    return net


def cross_population(sources: PneumoniaSources, material: PneumoniaMaterial) -> dict[str, Any]:
    """AUROC of one architecture, trained on each choice of populations and tested on each: the shortcut test."""
    table: dict[str, Any] = {}
    for trained_on in TRAINED_ON:
        for name in SHORTCUT_MEMBERS:
            file = logits_file(sources, name, trained_on)
            if file.is_file():
                table[f"trained on {trained_on} ({name})"] = tested_figures(material.samples, np.load(file))
    return table


def _start(name: str) -> str:
    return {
        "resnet": "residual stages of the quality network, trained on simulated defects of chest radiographs",
        "mobilenet": "MobileNetV2 1.0/224, ImageNet, Apache-2.0, de-quantised",
        "densenet": "random weights",
    }[name]


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
