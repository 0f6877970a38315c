"""The network for any radiograph: a run leaves a checkpoint, which becomes a graph that says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from miqa_node.stages.assess.preprocess import prepare  # noqa: E402
from miqa_training.any_part.export import SPEC, export, read_checkpoint  # noqa: E402
from miqa_training.any_part.feed import drawn_by_processes, drawn_in_place  # noqa: E402
from miqa_training.any_part.figures import FEW, PartCase, calibrate, flagged_unaltered, two_sided  # noqa: E402
from miqa_training.any_part.fit import PartFit, PartFitSettings, train, without  # noqa: E402
from miqa_training.any_part.network import AnyPartNet  # noqa: E402
from miqa_training.any_part.sampler import CLASSES, COLUMN, CROP_PX, Picture  # noqa: E402
from miqa_training.graph import QualityGraph  # noqa: E402
from miqa_training.scores import sixteen_bits  # noqa: E402
from tests.unit.training.test_any_part_pictures import scene  # noqa: E402

CPU = torch.device("cpu")


def pictures() -> list[Picture]:
    """Three small pictures of three sources."""
    pixels = [(scene(360, 330, n) * 255).round().to(torch.uint8) for n in range(3)]
    return [Picture(one, source, 1.0, frozenset()) for one, source in zip(pixels, "abc", strict=True)]


@pytest.mark.slow
def test_runs_learn_from_one_stream_and_the_graph_of_one_says_what_the_network_says(tmp_path: Path) -> None:
    settings = PartFitSettings(steps=3)
    runs = {tmp_path / f"{name}.pt": PartFit(out, settings, CPU) for name, out in (("all", ()), ("less", ("c",)))}
    starts = [{name: value.clone() for name, value in run.net.state_dict().items()} for run in runs.values()]
    lines: list[str] = []
    train(runs, drawn_in_place(pictures(), 1, 6, CPU), settings, lines.append)
    for run, before in zip(runs.values(), starts, strict=True):
        assert run.steps == 3
        assert any(not torch.equal(value, before[name]) for name, value in run.net.state_dict().items())
    assert "without c" in lines[-1]
    assert torch.load(tmp_path / "less.pt", weights_only=True)["left_out"] == ["c"]

    net = read_checkpoint(tmp_path / "all.pt")
    assert export(net, tmp_path / "graph.onnx") < 1e-4
    display = sixteen_bits(scene(500, 400).numpy())
    prepared = prepare(display, None, SPEC)
    with torch.no_grad():
        logits = net(*(torch.from_numpy(prepared.arrays[name]) for name in ("global_view", "crops", "numbers")))[0]
    assert np.abs(QualityGraph(tmp_path / "graph.onnx", SPEC)(display).logits - logits.numpy()[0]).max() < 1e-3


def test_a_run_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    first = PartFit((), PartFitSettings(), CPU)
    first.steps = 7
    first.save(tmp_path / "begun.pt")
    second = PartFit((), PartFitSettings(seed=2), CPU, tmp_path / "begun.pt")
    assert second.steps == 7
    both = zip(first.net.state_dict().values(), second.net.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in both)


def test_a_source_that_is_left_out_is_in_no_sample() -> None:
    batch = next(drawn_in_place(pictures(), 1, 12, CPU))
    assert set(batch.sources) == {"a", "b", "c"}
    rest, others = without(batch, ("c",)), without(batch, ("c",), only=True)
    assert set(rest.sources) == {"a", "b"}
    assert set(others.sources) == {"c"}
    assert len(rest.view) + len(others.view) == 12
    assert len(rest.crops) == len(rest.targets.present) == len(rest.sources)


def test_processes_draw_batches_and_what_they_drew_is_used_again() -> None:
    stream = drawn_by_processes(pictures, 1, 2, CPU, 1)
    batches = [next(stream) for _ in range(10)]
    assert {batch.view.shape for batch in batches} == {(2, 1, 320, 320)}
    assert all(bool(torch.isfinite(batch.crops).all()) for batch in batches)


def test_images_of_a_batch_do_not_change_each_other() -> None:
    net = AnyPartNet(len(CLASSES), CROP_PX).eval()
    torch.manual_seed(0)
    view, crops, numbers = torch.randn(2, 1, 320, 320), torch.randn(6, 1, CROP_PX, CROP_PX), torch.randn(2, 4)
    with torch.no_grad():
        both = net(view, crops, numbers)[0]
        alone = net(view[1:], crops[3:], numbers[1:])[0]
    assert torch.allclose(both[1:], alone, atol=1e-4)


def _case(source: str, made: str, score: float, rng: np.random.Generator) -> PartCase:
    logits = rng.normal(-3.0, 0.5, len(CLASSES))
    if made:
        logits[COLUMN[made]] = score
    return PartCase(source, made, 0.75, logits, np.zeros(len(CLASSES)))


def test_the_source_with_the_highest_clean_scores_sets_the_limit_and_both_sides_are_told() -> None:
    rng = np.random.default_rng(0)
    clean = [_case("quiet", "", 0.0, rng) for _ in range(60)]
    loud = [_case("loud", "", 0.0, rng) for _ in range(FEW - 5)]
    for case in loud:
        case.logits[COLUMN["noise"]] += 4.0
    cases = [*clean, *loud]
    cases += [_case(source, "noise", 6.0, rng) for source in ("quiet", "loud") for _ in range(20)]
    cases += [_case("quiet", "motion_blur", -3.0, rng) for _ in range(30)]
    calibration = calibrate(cases)
    unaltered = flagged_unaltered(cases, calibration)
    assert "noise" not in unaltered["loud"]["by_finding"]
    assert unaltered["quiet"]["images"] == 60
    figures = two_sided(cases, calibration)
    assert figures["noise"]["found"] > 0.9
    assert not figures["noise"]["weak"]
    assert figures["motion_blur"]["weak"], "what is found by chance must be called weak"
    assert figures["noise"]["sources"]["loud"]["clean_flagged"] == 0.0
