"""Simulators and samples of any radiograph: each way makes its defect, and a sample tells what was done to it."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from miqa_node.core.domain.finding import FindingName  # noqa: E402
from miqa_node.stages.assess.preprocess import prepare  # noqa: E402
from miqa_training.any_part import blur, detector, dose, shown  # noqa: E402
from miqa_training.any_part.export import SPEC  # noqa: E402
from miqa_training.any_part.masks import MaskBank  # noqa: E402
from miqa_training.any_part.pictures import noise_deviation  # noqa: E402
from miqa_training.any_part.sampler import CLASSES, COLUMN, PartSampler, Picture  # noqa: E402
from miqa_training.any_part.shot import Shot, Way  # noqa: E402
from miqa_training.any_part.simulators import WAYS  # noqa: E402
from miqa_training.scores import sixteen_bits  # noqa: E402
from tests.unit.training.test_any_part_pictures import scene  # noqa: E402

CPU = torch.device("cpu")
EVERY = [(str(finding), way) for finding, ways in WAYS.items() for way, _ in ways]


def shot(seed: int = 0) -> Shot:
    """A picture to be spoilt."""
    torch.manual_seed(seed)
    return Shot(scene(420, 330), np.random.default_rng(seed), MaskBank(CPU, count=3), scene(200, 300, 5))


def sampler(seed: int = 1) -> PartSampler:
    """A sampler of two small pictures of different sources."""
    pixels = [(scene(400, 330, n) * 255).round().to(torch.uint8) for n in range(2)]
    pictures = [Picture(one, source, 1.0, frozenset()) for one, source in zip(pixels, ("a", "b"), strict=True)]
    return PartSampler(pictures, seed, CPU)


@pytest.mark.parametrize(("finding", "way"), EVERY, ids=[way.__name__ for _, way in EVERY])
def test_every_way_changes_the_picture_and_keeps_its_range(finding: str, way: Way) -> None:
    for seed in range(4):
        before = shot(seed)
        image, _ = way(before, 0.9)
        assert image.shape == before.image.shape
        assert bool(torch.isfinite(image).all())
        assert -1e-5 <= float(image.min()) <= float(image.max()) <= 1 + 1e-5
        assert not torch.equal(image, before.image), finding


def test_every_finding_has_two_ways_that_are_not_those_of_the_figures() -> None:
    assert all(len(ways) >= 2 for ways in WAYS.values())
    for module in (blur, dose, shown, detector):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        imports = [
            (node.module or "", a.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for a in node.names
        ]
        assert {name for origin, name in imports if origin.startswith("miqa_training.degrade")} <= {"at_severity"}


def test_noise_adds_grain_and_what_cannot_be_seen_is_said() -> None:
    image, visible = dose.noise_quantum(shot(), 1.0)
    assert visible
    assert float(noise_deviation(image)) > float(noise_deviation(shot().image))
    assert not dose.noise_quantum(shot(), 0.02)[1]
    assert not blur.motion_smear(shot(), 0.05)[1]
    assert blur.motion_smear(shot(), 1.0)[1]


def test_the_same_seed_gives_the_same_samples() -> None:
    one, two, other = sampler(3).batch(4), sampler(3).batch(4), sampler(4).batch(4)
    assert torch.equal(one.view, two.view)
    assert torch.equal(one.targets.present, two.targets.present)
    assert not torch.equal(one.view, other.view)


def test_clean_samples_have_no_defect_and_others_have_those_they_were_given() -> None:
    clean = sampler().batch(12, clean=1.0)
    assert not bool((clean.targets.present[:, : len(WAYS)] == 1).any())
    spoilt = sampler().batch(24, clean=0.0)
    present = spoilt.targets.present
    assert present.shape == (24, len(CLASSES))
    assert bool(((present == 1) | (present == -1)).any(1).all())
    marked = present == 1
    assert bool((spoilt.targets.severity[marked] > 0).all())
    assert bool((spoilt.targets.severity[present == 0] == 0).all())


def test_too_little_dose_leaves_noise_undecided() -> None:
    column = COLUMN[FindingName.UNDEREXPOSURE], COLUMN[FindingName.NOISE]
    present = sampler(7).batch(60, clean=0.0).targets.present
    under = present[:, column[0]] == 1
    assert bool(under.any())
    assert bool((present[under][:, column[1]] != 0).all())


@pytest.mark.parametrize("shape", [(400, 330), (700, 500), (2600, 2100)])
def test_inputs_are_those_that_the_node_prepares(shape: tuple[int, int]) -> None:
    image = scene(*shape)
    view, crops, numbers = sampler()._inputs(image)
    prepared = prepare(sixteen_bits(image.numpy()), None, SPEC)
    assert np.abs(view.numpy() - prepared.global_view[0, 0]).mean() < 0.03
    assert crops.shape[1:] == prepared.crops.shape[2:]
    assert np.abs(numbers - prepared.numbers[0]).max() < 0.02
