"""Fits an object package further on a site's own marks, and shows both sides on patients of the site's own.

Nothing is switched on: the package is written beside the node's, with what the start and the new one find and call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.errors import SettingsError
from miqa_node.features.labels.annotations import Choice
from miqa_node.libraries.plain_statistics.platt import logit
from miqa_node.stages.assess.card import GRAPH_NAME, Applicability, checked_card, read_sections
from miqa_node.stages.assess.objects.card import ObjectCard
from miqa_node.stages.assess.sidecars import OBJECTS
from miqa_training import weights
from miqa_training.datasets import SITE, DatasetRecord, objects_of
from miqa_training.objects.data import ObjectExample, cut_boxes, example_of, object_set, picture_of, pixels_of
from miqa_training.objects.evaluate import ExampleVerdict, Rule, judge_images, rule_of
from miqa_training.objects.export import export
from miqa_training.objects.fit import ObjectSchedule, fit_objects
from miqa_training.objects.package import write_package
from miqa_training.objects.pieces import make_bank
from miqa_training.objects.start import net_of_package
from miqa_training.objects.variation import VariationShares
from miqa_training.site_labels import picture_in, read_annotations

LEAST_WITH, LEAST_WITHOUT = 100, 100
"""Images with and without something that can be taken off; with fewer, the figures would say nothing."""
LEAST_JUDGED = 10
"""Images of either kind among the patients that judge."""
CALLED = 0.05
"""Share of the images without an object that the operating point may call one, on the patients that choose it."""
PARTS = 5
"""Of five patients one chooses the operating point, one judges, and three are fitted on."""
SIMULATED_PIECES, BANK_SEED = 400, 7
GENTLE = VariationShares(removable=0.2, device=0.1, marker=0.1, real=0.7, look=0.5, place=0.6)
MINUTES = 160.0
"""Of the three hours that a run may take; reading the images, and judging with both packages, take the others."""
RATE, BACKBONE_RATE = 3e-4, 6e-5
CHECKPOINT, WEIGHTS, GRAPH = "site-objects.pt", "site-weights.pt", "site-model.onnx"
CHANCE = frozenset({Choice.FLAGGED.value, Choice.RANDOM.value})
"""Why images were looked at of which it is known how many others they stand for."""
FAIR = "Each image counts as many as it stands for: 1 if it was flagged, 20 if one in twenty was drawn."
PICKED = "People chose the images: the shares are of these, not of all images."
LIMITS = "Fitted further on the marks of one site: its figures are of that site's patients, and it is for that site."


@dataclass(frozen=True, slots=True)
class HeldOutImages:
    """Images of patients that are not fitted on, and how many of all images each stands for.

    ``fair``: they are those that the node flagged or drew at random. Without, people chose them: what is found of them
    says little about all images.
    """

    examples: list[ObjectExample]
    weights: NDArray[np.float64]
    fair: bool


@dataclass(frozen=True, slots=True)
class SiteExamples:
    """A site's images by what their patients are used for."""

    fitting: list[ObjectExample]
    choosing: HeldOutImages
    judging: HeldOutImages


@dataclass(frozen=True, slots=True)
class BothSides:
    """What a package finds of images with something removable, and calls one of those without, as shares of all."""

    images_with: int
    found: float
    images_without: int
    called: float
    fair: bool

    @property
    def words(self) -> str:
        """One line for people."""
        of = "weighted to all images" if self.fair else "of images that people chose, not of all"
        return (
            f"found {self.found:.2f} of {self.images_with} images with something to take off, "
            f"called {self.called:.2f} of {self.images_without} without ({of})"
        )


@dataclass(frozen=True, slots=True)
class SitePackage:
    """The package that was made, and both sides of the one that it started from and of its own."""

    folder: Path
    before: BothSides
    now: BothSides


def site_examples(labels: Path, scope: Applicability) -> SiteExamples:
    """The images of an export of labels whose readers drew what can be taken off, or saw that there was nothing.

    All are fitted on. Those that flagging or chance chose also choose the operating point and judge, if there are
    enough of them: images that people picked are the striking ones. Images that the package does not judge are left
    out.

    Raises
    ------
    SettingsError
        There are too few of either kind, or of patients; the message says how many are needed.
    """
    lines = read_annotations(labels)
    examples = [_example(labels, line) for line in lines if _is_within(scope, line)]
    others = f" {len(lines) - len(examples)} images that the package does not judge do not count."
    drawn = sum(one.removable for one in examples)
    for count, least, kind in (
        (drawn, LEAST_WITH, "with something marked that can be taken off"),
        (len(examples) - drawn, LEAST_WITHOUT, "without such a thing"),
    ):
        if count < least:
            raise SettingsError(
                f"{labels} has {count} images {kind}; at least {least} are needed. Mark objects on the study page, or "
                "judge further images, and export the labels again." + (others if len(examples) < len(lines) else "")
            )
    weights = {picture_in(labels, line["file"]): _weight(line) for line in lines}
    parts: list[list[ObjectExample]] = [[] for _ in range(PARTS)]
    for one in examples:
        parts[_part(one)].append(one)
    judging, choosing, *fitting = parts
    for part, purpose in ((judging, "judge"), (choosing, "choose the operating point")):
        if not _is_enough(part):
            raise SettingsError(
                f"{labels} is of too few patients: those held out to {purpose} have fewer than {LEAST_JUDGED} images "
                "with and without something that can be taken off."
            )
    return SiteExamples(
        [one for part in fitting for one in part], _held_out(choosing, weights), _held_out(judging, weights)
    )


def _is_enough(part: Sequence[ObjectExample]) -> bool:
    return min(sum(one.removable for one in part), sum(not one.removable for one in part)) >= LEAST_JUDGED


def _held_out(part: list[ObjectExample], weights: Mapping[Path, float]) -> HeldOutImages:
    """Those that flagging or chance chose; all of them, each alike, where these are too few."""
    chosen = [one for one in part if weights[one.record.path]]
    if _is_enough(chosen):
        return HeldOutImages(chosen, np.array([weights[one.record.path] for one in chosen], np.float64), fair=True)
    return HeldOutImages(part, np.ones(len(part)), fair=False)


def _weight(line: dict[str, Any]) -> float:
    """Number of images that one stands for; 0 where a person picked it, or an earlier export does not say who."""
    return 1.0 / line["sampled"] if line.get("chosen") in CHANCE else 0.0


def fit_site(start: Path, labels: Path, runs: Path, out: Path, schedule: ObjectSchedule, version: str) -> SitePackage:
    """Fit the package ``start`` further on an export of labels, and write the new one to ``out``.

    ``runs`` keeps the checkpoint, from which an interrupted run resumes.
    """
    card = checked_card(ObjectCard, read_sections(start), start.name)
    examples = site_examples(labels, card.applicability)
    pictures = object_set(examples.fitting, [picture_of(one.record.path) for one in examples.fitting])
    images = ((pixels_of(one.record.path), cut_boxes(one)) for one in examples.fitting)
    bank = make_bank(images, SIMULATED_PIECES, BANK_SEED)
    torch.manual_seed(schedule.seed)
    planned = replace(
        schedule, rate=RATE, backbone_rate=BACKBONE_RATE, shares=replace(GENTLE, side_px=card.picture.rows),
        checkpoint=schedule.checkpoint or runs / CHECKPOINT,
    )  # fmt: skip
    net = fit_objects(net_of_package(start), pictures, bank, planned, start=net_of_package(start)).cpu()
    weights.save(runs / WEIGHTS, {"state": net.state_dict()})
    export(net, runs / GRAPH, card.picture.rows)
    rules, before, now = _judged(start, runs / GRAPH, card, examples)
    metrics = {
        "about": "Patients of the site whose images nothing was fitted on; others of them chose the operating point. "
        + (FAIR if examples.judging.fair else PICKED),
        "start": {"package": start.name, **_row(before)},
        "now": _row(now),
    }
    training = {
        "start": start.name, "seed": schedule.seed, "images": len(examples.fitting),
        "with_objects": sum(one.removable for one in examples.fitting),
    }  # fmt: skip
    limits = (*card.limits, LIMITS)
    folder = write_package(
        runs / GRAPH, out / f"{OBJECTS}-{version}", card.picture, rules, examples.fitting, training, metrics, limits,
        version,
    )  # fmt: skip
    return SitePackage(folder, before, now)


def _judged(
    start: Path, graph: Path, card: ObjectCard, examples: SiteExamples
) -> tuple[dict[FindingName, Rule], BothSides, BothSides]:
    """The rules of the new package, and both sides of the start and of it; devices keep their rule."""
    old = {FindingName(one.name): Rule(one.temperature, one.bias, one.threshold) for one in card.findings}
    choosing, judging = examples.choosing, examples.judging
    scores = _scores(judge_images(graph, choosing.examples, card.picture))
    truth = np.array([one.removable for one in choosing.examples])
    limit = operating_limit(scores[~truth], choosing.weights[~truth])
    rules = {**old, FindingName.FOREIGN_OBJECT: rule_of(scores, truth, limit)}
    before = _sides(judge_images(start / GRAPH_NAME, judging.examples, card.picture), old[FindingName.FOREIGN_OBJECT],
                    judging)  # fmt: skip
    now = _sides(judge_images(graph, judging.examples, card.picture), rules[FindingName.FOREIGN_OBJECT], judging)
    return rules, before, now


def operating_limit(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The lowest score of an image without an object from which at most CALLED of all such images are called one.

    >>> operating_limit(np.arange(20.0), np.ones(20)), operating_limit(np.arange(20.0), np.r_[np.ones(19), 19.0])
    (19.0, 19.0)
    """
    order = np.argsort(scores)
    above = np.cumsum(weights[order][::-1])[::-1] / weights.sum()  # share at or above each score
    within = np.flatnonzero(above <= CALLED + 1e-9)
    return float(scores[order][within[0] if len(within) else -1])


def _sides(judged: Sequence[ExampleVerdict], rule: Rule, images: HeldOutImages) -> BothSides:
    """By the logit of the rule's threshold."""
    limit = logit(rule.threshold) * rule.temperature - rule.bias
    present, truth = _scores(judged) >= limit, np.array([one.example.removable for one in judged])
    shares = [float(np.average(present[of], weights=images.weights[of])) for of in (truth, ~truth)]
    return BothSides(int(truth.sum()), shares[0], int((~truth).sum()), shares[1], images.fair)


def _scores(judged: Sequence[ExampleVerdict]) -> NDArray[np.float64]:
    return np.array([one.logits[0] for one in judged], np.float64)


def _row(sides: BothSides) -> dict[str, Any]:
    return {
        "removable": sides.images_with, "found": round(sides.found, 3), "without": sides.images_without,
        "called": round(sides.called, 3),
    }  # fmt: skip


def _example(labels: Path, line: dict[str, Any]) -> ObjectExample:
    record = DatasetRecord(
        path=picture_in(labels, line["file"]), source=SITE, licence="the site's own", patient=line["patient"],
        view=line["view"], notes="", objects=objects_of(line),
    )  # fmt: skip
    return example_of(line, record)


def _is_within(scope: Applicability, line: dict[str, Any]) -> bool:
    """By the header's values that an export keeps."""
    header = Header(
        "", SopInstanceUid(""), SeriesInstanceUid(""), StudyInstanceUid(""), "", modality=line["modality"],
        body_part_examined=line["body_part"], view_position=line["view"],
    )  # fmt: skip
    return not scope.model_copy(update={"sop_class": ()}).excludes(header, None)


def _part(example: ObjectExample) -> int:
    """The patient's part, the same in every run: 0 judges, 1 chooses, the others are fitted on."""
    patient = example.record.patient or example.record.path.name
    return int.from_bytes(hashlib.sha256(f"objects:{patient}".encode()).digest()[:4]) % PARTS
