"""Judges read images with the exported graph as a node does, chooses the operating points, and makes the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from miqa_node.errors import SettingsError
from miqa_node.libraries.onnx_vjp import COMBINED, LAYER_MAPS, SEED, add_maps
from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_node.stages.assess.classify.picture import PictureInput, normalised, resized, stretched
from miqa_node.stages.assess.landmarks.picture import stored_copy
from miqa_node.stages.assess.objects.card import INPUT, LOGITS, MAPS, TAP_DEEP, TAP_FUSED
from miqa_node.stages.assess.objects.network import of_source
from miqa_node.stages.explain.object_map import object_map
from miqa_training.objects.data import ObjectExample, ObjectExamples, object_set, pixels_of
from miqa_training.objects.figures import object_figures, pointing_figures

Array = NDArray[np.float32]
NOTHING_FALSE = 0.02
"""Share of the images with nothing that may be called an object, each source alike."""
FEWEST_OF_KIND = 5
"""Images of a kind without which a source says nothing of it."""
RESAMPLES = 2000
"""Of the images of each source, for intervals."""
FEWEST = 10
"""A source with fewer images without devices has no quantile of its own."""
DEVICE_SPECIFICITY = 0.95
OWN_MAP, OWN_SPOTS = "class_map", "object_map"
CENTRE, RANDOM = "centre", "random"


@dataclass(frozen=True, slots=True)
class ExampleVerdict:
    """One image with the graph's evidence maps (3, h, w) of the source's cells and its two logits."""

    example: ObjectExample
    maps: Array
    logits: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a logit becomes a probability, and from which probability the finding is present."""

    temperature: float
    bias: float
    threshold: float


def check_enough(examples: ObjectExamples) -> None:
    """Refuse images that cannot choose the rules of the findings: to be asked before hours of fitting.

    Raises
    ------
    SettingsError
        The held-out patients have no image with or without something to find, or no set has enough without anything.
    """
    kinds: Mapping[str, Callable[[ObjectExample], bool]] = {
        "something that can be taken off": lambda e: e.removable, "a device": _has_devices,
    }  # fmt: skip
    for words, shows in kinds.items():
        if len({shows(one) for one in examples.held_out}) < 2:
            raise SettingsError(
                f"The {len(examples.held_out)} images of held-out patients do not show both images with and images "
                f"without {words}, which calibrate it. Add images of further patients: about one of seven is held out."
            )
    every = [*examples.held_out, *examples.development, *examples.choosing, *examples.second]
    of_nothing = Counter(one.record.source for one in every if _nothing(one))
    if max(of_nothing.values(), default=0) < FEWEST or not any(map(_devices_only, every)):
        raise SettingsError(
            f"Operating points need {FEWEST} images of one source on which a reader saw neither a device nor anything "
            "that can be taken off, and one with devices only, among the images that nothing is fitted on."
        )


def prepared(example: ObjectExample, picture: PictureInput) -> tuple[Array, tuple[int, ...]]:
    """The graph's input for an image file, and the shape of the image that it was made of."""
    small, _ = stored_copy(pixels_of(example.record.path).astype(np.uint16) * np.uint16(257), None)
    return normalised(resized(stretched(small, picture.stretch), picture), picture), small.shape


def judge_images(graph: Path, examples: Sequence[ObjectExample], picture: PictureInput) -> list[ExampleVerdict]:
    """All examples, one after the other."""
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    judged = []
    for example in examples:
        image, shape = prepared(example, picture)
        maps, logits = session.run([MAPS, LOGITS], {INPUT: image})
        own = np.stack([of_source(one, shape, picture) for one in maps[0]])
        judged.append(ExampleVerdict(example, own, np.asarray(logits[0], np.float64)))
    return judged


def removable_rule(held_out: Sequence[ExampleVerdict], others: Sequence[ExampleVerdict]) -> Rule:
    """Calibrated on the held-out patients; present from the limit on that all sets choose together."""
    scores, truth = _column(held_out, 0), np.array([one.example.removable for one in held_out])
    return rule_of(scores, truth, removable_limit([*held_out, *others]))


def device_rule(held_out: Sequence[ExampleVerdict], others: Sequence[ExampleVerdict]) -> Rule:
    """The same for devices, by the specificity on images that were read for devices and show none."""
    both = [*held_out, *others]
    scores, truth = _column(held_out, 1), np.array([_has_devices(one.example) for one in held_out])
    free = [_column([o for o in part if _nothing(o.example)], 1) for part in _by_source(both).values()]
    limit = max(float(np.quantile(one, DEVICE_SPECIFICITY)) for one in free if len(one) >= FEWEST)
    return rule_of(scores, truth, limit)


def rule_of(scores: NDArray[np.float64], truth: NDArray[np.bool_], limit: float) -> Rule:
    """Platt scaling of the scores, and the threshold of the score ``limit``."""
    fit = LogisticRegression(C=1e4, max_iter=1000).fit(scores[:, None], truth)
    slope = max(float(fit.coef_[0, 0]), 0.05)
    temperature, bias = 1.0 / slope, float(fit.intercept_[0]) / slope
    threshold = 1.0 / (1.0 + float(np.exp(-(limit + bias) / temperature)))
    return Rule(round(temperature, 4), round(bias, 4), round(threshold, 4))


def removable_limit(judged: Sequence[ExampleVerdict]) -> float:
    """The logit where most is found beyond what is called with devices only, each source alike.

    Of those at which at most NOTHING_FALSE of the images with nothing are called; the lowest of equally good ones. A
    quantile of each source alone would be one of its two or three strangest images: some have ten of a kind.
    """
    kinds = [_scores_by_source(judged, kind) for kind in KINDS]
    best, chosen = -np.inf, float("inf")
    for limit in sorted({float(one.logits[0]) for one in judged}, reverse=True):
        worn, devices, nothing = (_share(of, limit) for of in kinds)
        if nothing > NOTHING_FALSE:
            break
        if worn - devices >= best:
            best, chosen = worn - devices, limit
    return chosen


def alike(judged: Sequence[ExampleVerdict], limit: float, rng: np.random.Generator) -> dict[str, Any]:
    """Both sides as means over the sources, each alike, with intervals of 95 % (bootstrap within each source)."""
    keys = (("removable", "found"), ("devices_only", "called_with_devices_only"), ("nothing", "called_with_nothing"))
    figures: dict[str, Any] = {}
    for kind, (count, share) in zip(KINDS, keys, strict=True):
        of = _scores_by_source(judged, kind)
        drawn = [_share([rng.choice(one, len(one)) for one in of], limit) for _ in range(RESAMPLES)]
        figures[count] = sum(map(len, of))
        figures[share] = round(_share(of, limit), 3)
        figures[f"{share}_interval"] = [round(edge, 3) for edge in limits_of_draws(drawn, figures[count])]
    return figures


def _scores_by_source(
    judged: Sequence[ExampleVerdict], kind: Callable[[ObjectExample], bool]
) -> list[NDArray[np.float64]]:
    parts = (_column([one for one in part if kind(one.example)], 0) for part in _by_source(judged).values())
    return [one for one in parts if len(one) >= FEWEST_OF_KIND]


def _share(by_source: Sequence[NDArray[np.float64]], limit: float) -> float:
    return float(np.mean([(one >= limit).mean() for one in by_source])) if by_source else 0.0


def two_sides(judged: Sequence[ExampleVerdict], limit: float) -> dict[str, Any]:
    """What is found, and what is called an object without being one, for each source and together."""
    figures = {source: _sides(part, limit) for source, part in _by_source(judged).items()}
    return {**figures, "all": _sides(judged, limit)}


def left_out(held_out: Sequence[ExampleVerdict], development: Sequence[ExampleVerdict]) -> dict[str, Any]:
    """The two sides at each source with the limit that the others alone would have chosen."""
    figures = {}
    for source, part in _by_source(development).items():
        others = [one for one in development if one.example.record.source != source]
        figures[source] = _sides(part, removable_limit([*held_out, *others]))
    return figures


def figures_of(judged: Sequence[ExampleVerdict]) -> dict[str, Any]:
    """Separation and pointing of the graph's own maps."""
    examples = [one.example for one in judged]
    return object_figures(
        [one.maps for one in judged], [one.logits for one in judged], object_set(examples),
        [e.record.source for e in examples],
    )  # fmt: skip


def saliency_comparison(
    graph: Path, judged: Sequence[ExampleVerdict], picture: PictureInput, rng: np.random.Generator
) -> dict[str, Any]:
    """The Pointing Game of every method through the same differentiation, NormGrad first, and of the own map."""
    judged = [one for one in judged if one.example.record.boxes]
    examples = [one.example for one in judged]
    pictures, sources = object_set(examples), [e.record.source for e in examples]
    likely = [int(np.argmax(one.maps[:2].max((1, 2)))) for one in judged]
    methods = sorted((*LAYER_MAPS, COMBINED), key=lambda m: (not m.startswith("normgrad"), m))
    results: dict[str, list[Array]] = {method: [] for method in methods}
    model = add_maps(onnx.load(str(graph)), (TAP_DEEP, TAP_FUSED), LOGITS, methods)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for example in examples:
        image, shape = prepared(example, picture)
        made = session.run(methods, {INPUT: image, SEED: np.eye(2, dtype=np.float32)})
        for method, values in zip(methods, made, strict=True):
            fine = [cv2.resize(one, picture_cells(picture), interpolation=cv2.INTER_LINEAR) for one in values[:, 0]]
            results[method].append(np.stack([of_source(one, shape, picture) for one in fine]))
    rows: dict[str, Any] = {
        method: pointing_figures(maps, pictures, sources, likely) for method, maps in results.items()
    }
    own: Mapping[str, Callable[[Array], Array]] = {
        OWN_MAP: lambda maps: maps[:2],
        OWN_SPOTS: lambda maps: np.stack([object_map(one) for one in maps[:2]]),
        CENTRE: lambda maps: _centred(maps[:2]),
        RANDOM: lambda maps: rng.random(maps[:2].shape, np.float32),
    }
    for method, made in own.items():
        rows[method] = pointing_figures([made(one.maps) for one in judged], pictures, sources)
    return rows


def picture_cells(picture: PictureInput) -> tuple[int, int]:
    """Columns and rows of the finest map over the input."""
    return picture.columns // 8, picture.rows // 8


def _centred(maps: Array) -> Array:
    _, rows, columns = maps.shape
    y, x = np.mgrid[:rows, :columns]
    near = -np.hypot((x + 0.5) / columns - 0.5, (y + 0.5) / rows - 0.5).astype(np.float32)
    return np.stack([near, near])


def _sides(judged: Sequence[ExampleVerdict], limit: float) -> dict[str, Any]:
    def share(condition: Callable[[ObjectExample], bool]) -> tuple[int, float | None]:
        scores = _column([one for one in judged if condition(one.example)], 0)
        return len(scores), round(float((scores >= limit).mean()), 3) if len(scores) else None

    (worn, results), (devices, by_devices), (free, by_nothing) = map(share, KINDS)
    return {
        "removable": worn, "found": results, "devices_only": devices, "called_with_devices_only": by_devices,
        "nothing": free, "called_with_nothing": by_nothing,
    }  # fmt: skip


def _column(judged: Sequence[ExampleVerdict], column: int) -> NDArray[np.float64]:
    return np.array([one.logits[column] for one in judged], np.float64)


def _by_source(judged: Sequence[ExampleVerdict]) -> dict[str, list[ExampleVerdict]]:
    names = dict.fromkeys(one.example.record.source for one in judged)
    return {name: [one for one in judged if one.example.record.source == name] for name in names}


def _has_devices(example: ObjectExample) -> bool:
    return example.devices or example.record.has_device is True


def _devices_only(example: ObjectExample) -> bool:
    return example.record.has_removable is False and _has_devices(example)


def _nothing(example: ObjectExample) -> bool:
    return example.record.has_removable is False and not example.devices and example.record.has_device is False


KINDS: tuple[Callable[[ObjectExample], bool], ...] = (lambda example: example.removable, _devices_only, _nothing)
"""What both sides of an operating point count: something that can be taken off, devices only, nothing."""
