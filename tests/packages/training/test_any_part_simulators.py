"""Simulators and samples of any radiograph: each way makes its defect, and a sample tells what was done to it."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from miqa_node.core.domain.finding import FindingName  # noqa: E402
from miqa_training.any_part import blur, detector, dose, kept, shown  # noqa: E402
from miqa_training.any_part.kept import KEPT, Plate  # noqa: E402
from miqa_training.any_part.masks import MaskBank  # noqa: E402
from miqa_training.any_part.pictures import noise_deviation  # noqa: E402
from miqa_training.any_part.sampler import CLASSES, COLUMN, PartSample, PartSampler, Picture  # noqa: E402
from miqa_training.any_part.shot import Shot, Way  # noqa: E402
from miqa_training.any_part.simulators import WAYS  # noqa: E402
from tests.packages.training.test_any_part_pictures import scene  # noqa: E402

pytestmark = pytest.mark.more

CPU = torch.device("cpu")
EVERY = [(str(finding), way) for finding, ways in WAYS.items() for way, _ in ways]


def shot(seed: int = 0) -> Shot:
    """A picture to be spoilt."""
    torch.manual_seed(seed)
    return Shot(scene(420, 330), np.random.default_rng(seed), MaskBank(CPU, count=3), scene(200, 300, 5))


def sampler(seed: int = 1) -> PartSampler:
    """A sampler of two small pictures of different sources."""
    pixels = [(scene(400, 330, n) * 255).round().to(torch.uint8) for n in range(2)]
    pictures = [Picture(one, source, source, 1.0, frozenset()) for one, source in zip(pixels, ("a", "b"), strict=True)]
    return PartSampler(pictures, seed)


def drawn(count: int, clean: float, seed: int = 1) -> list[PartSample]:
    """Samples, and their truth stacked."""
    draw = sampler(seed)
    return [draw(clean) for _ in range(count)]


@pytest.mark.parametrize(("finding", "way"), EVERY, ids=[way.__name__ for _, way in EVERY])
def test_every_way_changes_the_picture_and_keeps_its_range(finding: str, way: Way) -> None:
    for seed in range(4):
        before = shot(seed)
        image, _ = way(before, 0.9)
        assert image.shape == before.image.shape
        assert bool(torch.isfinite(image).all())
        assert -1e-5 <= float(image.min()) <= float(image.max()) <= 1 + 1e-5
        assert not torch.equal(image, before.image), finding


def test_every_finding_has_two_ways_and_a_kept_one_and_they_share_no_code() -> None:
    assert all(len(ways) >= 2 for ways in WAYS.values())
    assert {str(name) for name in WAYS} <= set(KEPT)
    kept_imports = {node.module for node in ast.walk(_tree(kept)) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in kept_imports if name and name.startswith("miqa_training")}
    for module in (blur, dose, shown, detector):
        imports = [
            (node.module or "", a.name)
            for node in ast.walk(_tree(module))
            if isinstance(node, ast.ImportFrom)
            for a in node.names
        ]
        assert {name for origin, name in imports if origin.startswith("miqa_training.degrade")} <= {"at_severity"}


def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", KEPT)
def test_every_kept_way_changes_the_picture_and_keeps_its_range(name: str) -> None:
    image, other = scene(420, 330).numpy(), scene(200, 300, 5).numpy()
    for seed in range(5):
        changed = KEPT[name](Plate(image, other, 1.0, np.random.default_rng(seed), 0.4))
        assert changed is not None
        assert changed.shape == image.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0
        assert np.abs(changed - image).max() > 0.02


def test_kept_blur_below_a_pixel_is_left_out() -> None:
    image = scene(420, 330).numpy()
    for name in (FindingName.MOTION_BLUR, FindingName.UNSHARP):
        assert KEPT[name](Plate(image, image, 0.25, np.random.default_rng(0), 1.0)) is None


def test_noise_adds_grain_and_what_cannot_be_seen_is_said() -> None:
    image, visible = dose.noise_quantum(shot(), 1.0)
    assert visible
    assert float(noise_deviation(image)) > float(noise_deviation(shot().image))
    assert not dose.noise_quantum(shot(), 0.02)[1]
    assert not blur.motion_smear(shot(), 0.05)[1]
    assert blur.motion_smear(shot(), 1.0)[1]


def test_the_same_seed_gives_the_same_samples() -> None:
    one, two, other = (drawn(3, 0.3, seed) for seed in (3, 3, 4))
    assert all(torch.equal(a.image, b.image) for a, b in zip(one, two, strict=True))
    assert all(np.array_equal(a.present, b.present) for a, b in zip(one, two, strict=True))
    assert [a.image.shape for a in one] != [a.image.shape for a in other]


def test_clean_samples_have_no_defect_and_others_have_those_they_were_given() -> None:
    clean = np.stack([sample.present for sample in drawn(8, 1.0)])
    assert not (clean[:, : len(WAYS)] == 1).any()
    spoilt = drawn(20, 0.0)
    present, severity = (np.stack([getattr(one, name) for one in spoilt]) for name in ("present", "severity"))
    assert present.shape == (20, len(CLASSES))
    assert ((present == 1) | (present == -1)).any(1).all()
    assert (severity[present == 1] > 0).all()
    assert (severity[present == 0] == 0).all()
    assert {one.family for one in spoilt} == {"", "any_part", "degrade"}, "two families, and inverted or blank ones"
    assert all(0.0 <= float(one.image.min()) <= float(one.image.max()) <= 1.0 for one in spoilt)


def test_too_little_dose_leaves_noise_undecided() -> None:
    present = np.stack([sample.present for sample in drawn(40, 0.0, 7)])
    under = present[:, COLUMN[FindingName.UNDEREXPOSURE]] == 1
    assert under.any()
    assert (present[under][:, COLUMN[FindingName.NOISE]] != 0).all()
