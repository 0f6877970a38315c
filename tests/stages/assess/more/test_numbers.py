"""The numbers beside the pixels: what the normalisation removes, and what the header says of dose."""

from __future__ import annotations

from dataclasses import replace

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.contracts.two_branch import TWO_BRANCH
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.measure.view import PICTURE_HEADER


def test_the_shipped_package_weighs_what_the_header_says_of_dose() -> None:
    """A low dose makes a noisy picture more credibly noisy; findings that no number bears on stay as they are."""
    settings = load_settings()
    [folder] = settings.models_dir.glob("quality-0.*")
    package = open_package(folder, Accelerator.CPU, settings.assess)
    picture = TWO_BRANCH.golden(package.card, (folder / "golden" / "noise.png").read_bytes())

    def judged(deviation: float | None) -> dict[str, float]:
        material = replace(picture, header=replace(PICTURE_HEADER, deviation_index=deviation))
        logits = package.run(package.contract.prepare(package.card, material).arrays)["logits"]
        rows = zip(package.card.outputs.classes, package.probabilities(logits), strict=True)
        return {row.name: float(value) for row, value in rows}

    low, unknown, high = judged(-6.0), judged(None), judged(3.0)
    assert low["noise"] > unknown["noise"] > high["noise"]
    assert low["motion_blur"] == unknown["motion_blur"]
    assert {name for name in low if low[name] != unknown[name]} == {
        "noise",
        "underexposure",
        "overexposure_saturation",
    }
