"""Simulators: seeded, nothing at severity 0, more at higher severity, images stay images; no torch needed."""

from __future__ import annotations

import importlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_training.degrade import (
    FAMILIES,
    DonorMaterial,
    degrade,
    device_in_view,
    gate,
    grain,
    pitch_of,
    shapes,
    simulators,
    solids,
)
from miqa_training.degrade.contrast_processing import KINDS, contrast_processing
from miqa_training.degrade.cutouts import cut_out
from miqa_training.degrade.physics import at_severity, display, exposure, gaussian_blur, path_kernel

SEEDS = range(12)


@pytest.fixture(scope="module")
def chest() -> np.ndarray:
    """A phantom with what the simulators look for: dark lungs with vessels and ribs in a brighter body, black air."""
    rows, columns = 420, 380
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    image = np.where(np.abs(x - 0.5) < 0.46, 0.75, 0.0)
    for centre in (0.3, 0.7):
        image = np.where(((x - centre) / 0.15) ** 2 + ((y - 0.47) / 0.32) ** 2 < 1, 0.3, image)
    image = np.where(((x - 0.62) / 0.16) ** 2 + ((y - 0.6) / 0.14) ** 2 < 1, 0.85, image)  # the heart lies to one side
    noise = np.random.default_rng(0).normal(0, 1, (rows, columns))
    texture = cv2.GaussianBlur(noise, (0, 0), 2.0) * 0.25 + 0.03 * np.sin(60 * y)
    return np.asarray(np.clip(cv2.GaussianBlur(image, (0, 0), 1.5) + texture * (image > 0.1), 0, 1), np.float32)


def _difference(chest: np.ndarray, finding: FindingName, severity: float, seed: int) -> float:
    changed = degrade(chest, finding, severity, np.random.default_rng(seed), pitch_of(chest))
    return float(np.abs(changed - chest).mean())


@pytest.mark.parametrize("finding", defect_names())
def test_image_stays_an_image(chest: np.ndarray, finding: FindingName) -> None:
    before = chest.copy()
    for seed in SEEDS:
        for severity in (0.02, 0.5, 1.0):
            changed = degrade(chest, finding, severity, np.random.default_rng(seed), pitch_of(chest))
            assert changed.shape == chest.shape
            assert changed.dtype == np.float32
            assert 0.0 <= changed.min() <= changed.max() <= 1.0
    assert np.array_equal(before, chest), "the simulator wrote into its input"


@pytest.mark.parametrize("finding", defect_names())
def test_same_seed_same_image_other_seed_other_image(chest: np.ndarray, finding: FindingName) -> None:
    def draw(seed: int) -> np.ndarray:
        return degrade(chest, finding, 0.8, np.random.default_rng(seed), pitch_of(chest))

    assert np.array_equal(draw(7), draw(7))
    if finding != FindingName.OVEREXPOSURE_SATURATION:  # physics leaves that one nothing to draw
        assert any(not np.array_equal(draw(7), draw(seed)) for seed in SEEDS if seed != 7)


@pytest.mark.parametrize("finding", defect_names())
def test_nothing_at_severity_zero_and_little_next_to_it(chest: np.ndarray, finding: FindingName) -> None:
    untouched = degrade(chest, finding, 0.0, np.random.default_rng(1), pitch_of(chest))
    assert np.array_equal(untouched, chest)
    for seed in SEEDS:
        assert _difference(chest, finding, 0.02, seed) < 0.08  # a shutter at the very border is the most


def test_gaussian_blur_has_the_variance_it_says_also_below_a_pixel() -> None:
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1.0
    offset = np.arange(-20, 21)
    for sigma in (0.3, 0.5, 1.3, 3.0):
        spread = gaussian_blur(point, sigma).sum(0)
        assert spread.sum() == pytest.approx(1.0, abs=1e-4)
        assert float((spread * offset**2).sum()) == pytest.approx(sigma**2, rel=0.12)


def test_motion_kernel_keeps_the_second_moment_of_the_path() -> None:
    along = np.linspace(-0.5, 0.5, 97) * 0.6
    kernel = path_kernel(along, np.zeros(97), np.full(97, 1 / 97))
    offset = np.arange(kernel.shape[1]) - kernel.shape[1] // 2
    assert float((kernel.sum(0) * offset**2).sum()) == pytest.approx(float(np.mean(along**2)), rel=0.02)


def test_noise_follows_the_dose(chest: np.ndarray) -> None:
    """Quantum noise: the added variance doubles when the dose fraction goes from 1/2 to 1/3, and grows as E falls."""
    flat = np.full((256, 256), 0.5, np.float32)

    def added(severity: float, level: float) -> float:
        image = np.where(np.arange(256)[:, None] < 128, flat, np.float32(level))
        noisy = degrade(image, FindingName.NOISE, severity, np.random.default_rng(2), 0.8)
        return float((noisy - image)[140:].var())

    assert added(0.5, 0.5) / added(0.25, 0.5) == pytest.approx(3.0, rel=0.1)  # (4 - 1) / (2 - 1)
    assert added(0.5, 0.8) > 2.0 * added(0.5, 0.5)


def test_exposure_and_display_are_inverse() -> None:
    values = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, -1)
    assert np.allclose(display(exposure(values)), values, atol=1e-5)
    assert exposure(values)[0, -1] == pytest.approx(0.01, rel=1e-4)


def test_severity_table_is_interpolated() -> None:
    assert [at_severity(s, (1, 2, 4, 8)) for s in (0, 0.125, 0.25, 0.75, 1)] == [0, 0.5, 1, 4, 8]


def test_jpeg_has_blocks(chest: np.ndarray) -> None:
    jpeg = 4
    seed = next(s for s in range(50) if np.random.default_rng(s).choice(7, p=KINDS) == jpeg)
    coded = contrast_processing(chest, 1.0, np.random.default_rng(seed), 1.0, DonorMaterial())
    steps = np.abs(np.diff(coded, axis=1)).mean(0)
    at_edges = steps[7::8].mean()
    assert at_edges > 1.5 * np.delete(steps, np.s_[7::8]).mean()


def test_cutouts_put_a_real_object_elsewhere(chest: np.ndarray) -> None:
    source = np.full((200, 200), 0.4, np.float32)
    cv2.circle(source, (100, 100), 8, 0.8, -1)
    piece = cut_out(source, (0.42, 0.42, 0.58, 0.58))
    assert piece is not None
    assert piece.max() == pytest.approx(0.4, abs=0.05)
    assert cut_out(np.full((200, 200), 0.4, np.float32), (0.42, 0.42, 0.58, 0.58)) is None
    material = DonorMaterial(cutouts=[(piece, 1.0)])
    changed = FAMILIES["cutouts"](chest, 1.0, np.random.default_rng(3), 1.0, material)
    assert changed.shape == chest.shape
    assert (changed - chest).max() > 0.1
    with pytest.raises(ValueError, match="cut-outs"):
        FAMILIES["cutouts"](chest, 1.0, np.random.default_rng(3), 1.0, DonorMaterial())


@pytest.mark.parametrize("kind", device_in_view.KINDS, ids=lambda kind: kind.name)
def test_a_device_is_bright_and_grows_with_severity(chest: np.ndarray, kind: solids.SolidKind) -> None:
    pitch = pitch_of(chest)
    slight, marked = (
        solids.with_solids(chest, severity, np.random.default_rng(3), pitch, [kind]) - chest for severity in (0.25, 1.0)
    )
    assert slight.min() >= -1e-6
    assert marked.max() > 0.05
    assert 0.0 < slight.sum() < marked.sum()
    assert (marked > 0.02).mean() < 0.15


def test_what_can_be_taken_off_and_what_cannot_are_different_things(chest: np.ndarray) -> None:
    worn, stays = (FAMILIES[name] for name in ("shapes", "devices"))
    assert simulators()[FindingName.FOREIGN_OBJECT].apply is worn
    assert simulators()[FindingName.DEVICE_IN_VIEW].apply is stays
    assert not {kind.name for kind in shapes.KINDS} & {kind.name for kind in device_in_view.KINDS}
    for family in (worn, stays):
        drawn = [family(chest, 1.0, np.random.default_rng(n), pitch_of(chest), DonorMaterial()) for n in range(4)]
        assert all((image > chest + 0.01).any() for image in drawn)


@pytest.mark.parametrize("name", [FindingName.MOTION_BLUR, FindingName.UNSHARP])
def test_blur_leaves_the_grain(chest: np.ndarray, name: FindingName) -> None:
    """A net must see that edges are soft, not that noise is missing."""
    rng = np.random.default_rng(3)
    grainy = np.clip(chest + rng.normal(0, 0.015, chest.shape), 0, 1).astype(np.float32)
    blurred = degrade(grainy, name, 1.0, np.random.default_rng(4), pitch_of(chest))
    assert grain.noise_deviation(blurred) == pytest.approx(grain.noise_deviation(grainy), rel=0.12)
    soft = [cv2.GaussianBlur(image, (0, 0), 3.0) for image in (grainy, blurred)]
    edges = [float(np.abs(np.diff(image, axis=1)).max()) for image in soft]
    assert edges[1] < edges[0]


def test_signal_and_grain_are_the_image(chest: np.ndarray) -> None:
    noisy = np.clip(chest + np.random.default_rng(1).normal(0, 0.02, chest.shape), 0, 1).astype(np.float32)
    signal, rest = grain.split(noisy)
    assert np.allclose(signal + rest, noisy, atol=1e-6)
    assert 0.01 < rest.std() < 0.02
    assert grain.noise_deviation(noisy) == pytest.approx(0.02, rel=0.15)


def test_an_uncorrected_exposure_is_lighter_and_its_densest_parts_are_white(chest: np.ndarray) -> None:
    means, white = [], []
    for severity in (0.0, 0.25, 0.5, 1.0):
        made = degrade(chest, FindingName.UNDEREXPOSURE, severity, np.random.default_rng(2), pitch_of(chest))
        means.append(float(made.mean()))
        white.append(float((made >= 0.999).mean()))
    assert means == sorted(means)
    assert white[-1] > white[0] + 0.1


def test_contrast_can_burn_out_or_crush(chest: np.ndarray) -> None:
    clipped = importlib.import_module("miqa_training.degrade.contrast_processing")._clipped
    lost = [clipped(chest, 0.4, bright=bright) for bright in (True, False)]
    assert (lost[0] >= 0.999).mean() > (chest >= 0.999).mean() + 0.1
    assert (lost[1] <= 0.001).mean() > (chest <= 0.001).mean() + 0.1


def test_gate_images(chest: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    assert np.allclose(gate.inverted(gate.inverted(chest)), chest, atol=1e-6)
    for _ in range(12):
        for image in (gate.blank((200, 180), rng), gate.phantom((200, 180), rng)):
            assert image.shape == (200, 180)
            assert image.dtype == np.float32
            assert 0.0 <= image.min() <= image.max() <= 1.0
    assert gate.not_frontal_chest(chest, rng).shape == chest.shape


@pytest.mark.parametrize(("severity", "pitch_mm"), [(-0.1, 0.5), (1.1, 0.5), (0.5, 0.0)])
def test_nonsense_is_refused(chest: np.ndarray, severity: float, pitch_mm: float) -> None:
    with pytest.raises(ValueError, match="must"):
        degrade(chest, FindingName.UNSHARP, severity, np.random.default_rng(0), pitch_mm)


def test_gate_is_no_simulator(chest: np.ndarray) -> None:
    with pytest.raises(ValueError, match="gate"):
        degrade(chest, FindingName.GATE, 0.5, np.random.default_rng(0), 1.0)


@pytest.mark.more
def test_every_seed_of_every_finding_changes_something(chest: np.ndarray) -> None:
    for finding in defect_names():
        changed = [_difference(chest, finding, 1.0, seed) for seed in SEEDS]
        assert min(changed) > 0, finding


@pytest.mark.more
def test_importing_the_simulators_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import miqa_training.degrade"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.more
@pytest.mark.parametrize("finding", defect_names())
def test_difference_grows_with_severity(chest: np.ndarray, finding: FindingName) -> None:
    """For every seed, and strictly on average; a mirror image differs as much at 1 as at 0.5."""
    levels = (0.1, 0.25, 0.5, 0.75, 1.0)
    table = np.array([[_difference(chest, finding, severity, seed) for severity in levels] for seed in SEEDS])
    slack = 0.05 if finding in {FindingName.CLIPPED_ANATOMY, FindingName.ROTATION_ORIENTATION} else 0.003
    assert np.all(np.diff(table, axis=1) > -slack)
    assert np.all(np.diff(table.mean(0)) > 0)
