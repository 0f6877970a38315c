"""The network for any radiograph: known features, a head that is fitted to them, and a graph that says the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from miqa_node.stages.assess.preprocess import prepare  # noqa: E402
from miqa_training.any_part import table as tables  # noqa: E402
from miqa_training.any_part.cases import CaseTable, collect_cases, read_cases  # noqa: E402
from miqa_training.any_part.features import SEEN, PartFeatures, joined, sizes  # noqa: E402
from miqa_training.any_part.figures import (  # noqa: E402
    FEW,
    PartCase,
    calibrate,
    flagged_unaltered,
    judged,
    two_sided,
)  # fmt: skip
from miqa_training.any_part.head import (  # noqa: E402
    Head,
    HeadSettings,
    fit_discriminant,
    fit_heads,
)
from miqa_training.any_part.kept import KEPT  # noqa: E402
from miqa_training.any_part.network import PartNet  # noqa: E402
from miqa_training.any_part.package import export  # noqa: E402
from miqa_training.any_part.records import PartRecord  # noqa: E402
from miqa_training.any_part.sampler import CLASSES, COLUMN, PartSample, Picture  # noqa: E402
from miqa_training.any_part.table import SPEC, SampleTable, collect, read_table  # noqa: E402
from miqa_training.fit import PLACED  # noqa: E402
from miqa_training.graph import QualityGraph  # noqa: E402
from miqa_training.networks import QualityNet  # noqa: E402
from miqa_training.samples import CLASSES as QUALITY_CLASSES  # noqa: E402
from miqa_training.scores import auroc, sixteen_bits  # noqa: E402
from tests.packages.training.test_any_part_pictures import scene  # noqa: E402

pytestmark = pytest.mark.more

SMALL = HeadSettings(members=2, hidden=8, rounds=30, batch=64)
FEATURES = 6


def quality() -> QualityNet:
    """A network with the weights that it starts with."""
    torch.manual_seed(0)
    net = QualityNet(len(QUALITY_CLASSES), PLACED)
    net.eval()
    return net


def table(count: int = 400) -> SampleTable:
    """Feature 0 is noise, in another measure at source b; feature 1 says which source it is."""
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (count, FEATURES)).astype(np.float32)
    source = np.where(np.arange(count) % 2, "fracatlas", "commons")
    present = np.zeros((count, len(CLASSES)), np.float32)
    present[:, COLUMN["noise"]] = features[:, 0] > 0.5
    features[:, 1] += 5 * (source == "commons")
    return SampleTable(
        features, rng.random((count, 4)).astype(np.float32), present, 0.8 * present, source, source, source
    )


def test_images_of_a_batch_do_not_change_each_other() -> None:
    features = PartFeatures(quality()).eval()
    torch.manual_seed(0)
    view, crops = torch.randn(2, 1, 384, 384), torch.randn(4, 1, 320, 320)
    with torch.no_grad():
        both, alone = joined(features(view, crops)), joined(features(view[1:], crops[2:]))
        some = PartFeatures(features.quality, ("tone", "lines")).eval()(view, crops)
    assert torch.allclose(both[1:], alone, atol=1e-4)
    assert sizes(some).keys() == {"lines", "tone"}
    assert joined(some).shape[1] < both.shape[1]


def test_a_source_is_judged_by_the_head_that_never_saw_it() -> None:
    samples = table()
    heads = fit_heads(samples, SMALL)
    assert heads["commons"] is not heads["fracatlas"] is not heads[""]
    cases = CaseTable(
        np.where(samples.present[:, COLUMN["noise"]] > 0, "noise", ""), samples.severity.max(1), samples.features,
        samples.numbers, samples.source, samples.name,
    )  # fmt: skip
    figures = two_sided(judged(cases, heads), calibrate(judged(cases, heads)))
    assert figures["noise"]["auroc"] > 0.85
    swapped = {"commons": heads["fracatlas"], "fracatlas": heads["commons"], "": heads[""]}
    mine, others = (judged(cases, some) for some in (heads, swapped))
    assert any(not np.allclose(a.logits, b.logits) for a, b in zip(mine, others, strict=True))


def test_the_discriminant_does_not_count_in_what_sound_images_differ() -> None:
    rng = np.random.default_rng(1)
    made = rng.random(600) < 0.5
    other = rng.normal(0, 1, 600)
    scaled = np.stack([other + 0.5 * made, other + rng.normal(0, 0.2, 600)], 1)  # the defect is their difference
    present = made.astype(np.float32)[:, None]
    weights, biases = fit_discriminant(scaled, present, present, np.zeros(600, np.bool_))
    logits = scaled @ weights[0] + biases[0]
    assert auroc(logits[made], logits[~made]) > 0.75
    assert auroc(scaled[made, 0], scaled[~made, 0]) < 0.7
    assert abs((logits > 0).mean() - made.mean()) < 0.2, "logits are calibrated"
    few = np.zeros_like(present)
    assert not fit_discriminant(scaled, few, few, np.zeros(600, np.bool_))[0].any()


@pytest.mark.long
def test_the_graph_says_what_the_network_says(tmp_path: Path) -> None:
    net = quality()
    with torch.no_grad():
        groups = sizes(PartFeatures(net, SEEN).eval()(torch.zeros(1, 1, 384, 384), torch.zeros(1, 1, 320, 320)))
    head = Head(sum(groups.values()) + 2, SMALL).eval()
    part = PartNet(net, SEEN, head).eval()
    assert export(part, tmp_path / "graph.onnx") < 1e-3
    display = sixteen_bits(scene(500, 400).numpy())
    inputs = prepare(display, None, SPEC).arrays
    with torch.no_grad():
        logits = part(*(torch.from_numpy(inputs[name]) for name in ("global_view", "crops", "numbers")))[0]
    assert np.abs(QualityGraph(tmp_path / "graph.onnx", SPEC)(display).logits - logits.numpy()[0]).max() < 1e-3


def test_an_interrupted_collection_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SHARD", 2)
    picture = Picture(torch.zeros(4, 4, dtype=torch.uint8), "one.png", "a", 1.0, frozenset())
    drawn: list[int] = []

    def sampler(shard: int) -> Callable[[], PartSample]:
        def draw() -> PartSample:
            drawn.append(shard)
            truth = np.zeros(len(CLASSES), np.float32)
            return PartSample(torch.full((8, 8), shard / 8), picture, truth, truth, "degrade")

        return draw

    def reader(display: NDArray[np.uint16]) -> tuple[NDArray[np.float32], ...]:
        return np.full(3, display.mean(), np.float32), np.zeros(4, np.float32)

    collect(sampler, reader, tmp_path, range(2))
    collect(sampler, reader, tmp_path, range(3))
    assert drawn == [0, 0, 1, 1, 2, 2]
    collected = read_table(tmp_path)
    assert collected.features[:, 0].round().tolist() == [0, 0, 8192, 8192, 16384, 16384]
    assert set(collected.family) == {"degrade"}
    assert not list(tmp_path.glob(".*")), "nothing unfinished stays"


def part(folder: Path, name: str, notes: str = "", *, licensed: bool = True) -> PartRecord:
    pixels = (scene(360, 330).numpy() * 255).round().astype(np.uint8)
    cv2.imwrite(str(folder / name), pixels)
    return PartRecord(folder / name, name.partition("_")[0], "CC0", "knee", "AP", "1", notes, licensed)


def test_every_image_is_a_case_as_found_and_those_that_may_be_learned_from_with_each_kept_defect(
    tmp_path: Path,
) -> None:
    parts = [part(tmp_path, "commons_a.png"), part(tmp_path, "spine_b.png", licensed=False)]

    def reader(display: NDArray[np.uint16]) -> tuple[NDArray[np.float32], ...]:
        return np.array([display.mean(), display.std()], np.float32), np.zeros(4, np.float32)

    done: list[int] = []
    collect_cases(parts, reader, tmp_path / "cases", done.append)
    assert done == [0, 1]
    cases = read_cases(tmp_path / "cases")
    assert cases.name[cases.clean].tolist() == ["commons_a.png", "spine_b.png"]
    assert set(cases.made[cases.source == "commons"]) <= {"", *KEPT}
    assert set(cases.made[cases.source == "spine"]) == {""}
    assert (cases.source == "commons").sum() > len(KEPT) // 2
    assert set(cases.level[~cases.clean]) <= {0.5, 0.75, 1.0}


def test_images_with_drawings_teach_nothing_and_those_with_defects_are_not_called_clean(tmp_path: Path) -> None:
    sound, faint, drawn = (part(tmp_path, "a_1.png", notes) for notes in ("fracture", "hand faint", "drawn arrow"))
    assert (sound.trains, sound.is_sound) == (True, True)
    assert (faint.trains, faint.is_sound) == (True, False)
    assert (drawn.trains, drawn.is_sound) == (False, False)
    assert not part(tmp_path, "a_2.png", licensed=False).trains


def _case(source: str, made: str, score: float, rng: np.random.Generator) -> PartCase:
    logits = rng.normal(-3.0, 0.5, len(CLASSES))
    if made:
        logits[COLUMN[made]] = score
    return PartCase(source, made, 0.75, logits, np.zeros(len(CLASSES)))


def test_the_source_with_the_highest_clean_scores_sets_the_limit_and_both_sides_are_told() -> None:
    rng = np.random.default_rng(0)
    clean = [_case("quiet", "", 0.0, rng) for _ in range(60)]
    loud = [_case("loud", "", 0.0, rng) for _ in range(FEW + 5)]
    for case in loud:
        case.logits[COLUMN["noise"]] += 4.0
    cases = [*clean, *loud]
    cases += [_case(source, "noise", 6.0, rng) for source in ("quiet", "loud") for _ in range(20)]
    cases += [_case("quiet", "motion_blur", -3.0, rng) for _ in range(30)]
    calibration = calibrate(cases)
    unaltered = flagged_unaltered(cases, calibration)
    assert unaltered["loud"]["by_finding"].get("noise", 0) <= 1, "the limit is its own"
    assert unaltered["quiet"]["images"] == 60
    figures = two_sided(cases, calibration)
    assert figures["noise"]["found"] > 0.9
    assert not figures["noise"]["weak"]
    assert figures["motion_blur"]["weak"], "what is found by chance must be called weak"
    assert figures["noise"]["sources"]["loud"]["clean_flagged"] <= 0.05
