"""Tables of docs/explanation/enhancement.md from the figures of ``miqa-node evaluate enhancement --out FILE``.

python -m benchmarks.enhancement benchmarks/results/enhancement-20261127.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

DOSES = ("1/2", "1/4", "1/8")
CHANGED = ("noise", "unsharp", "contrast_processing")
"""Findings of the node's own network that enhancement could change."""
Figures = Mapping[str, Any]


def tables(figures: Figures) -> list[str]:
    """Fidelity at two pitches, lesions, findings, phantoms: each as Markdown."""
    places = [fidelity(figures["fidelity"][place]) for place in ("detector_pitch", "own_pitch")]
    return [*places, lesions(figures["lesions"]), findings(figures["findings"]), phantoms(figures["phantoms"])]


def fidelity(methods: Figures) -> str:
    """Gains and slopes by method; of what is untouched, the PSNR itself."""
    rows = []
    for name, doses in methods.items():
        if name == "hospitals":
            continue
        half, quarter, eighth = (doses[dose] for dose in DOSES)
        low, high = (signed(limit) for limit in quarter["gain_interval"])
        gains = [signed(half["gain_db"]), f"{signed(quarter['gain_db'])} ({low} to {high})", signed(eighth["gain_db"])]
        if name == "untouched":
            gains = [f"{doses[dose]['psnr_db']:.1f} dB" for dose in DOSES]
        ssim = "" if name == "untouched" else f"{quarter['ssim_gain']:+.3f}"
        slopes = [f"{doses[dose]['slope_kept']:.2f}" for dose in DOSES]
        rows.append([called(name), str(half["images"]), *gains, ssim, *slopes, f"{quarter['edge_ratio']:.2f}"])
    head = ("method", "images", "PSNR gain 1/2", "1/4", "1/8", "SSIM gain 1/4", "edge slope kept 1/2", "1/4", "1/8",
            "measured edge width 1/4")  # fmt: skip
    return table(head, rows)


def lesions(methods: Figures) -> str:
    """Contrast that is left inside radiologists' boxes."""
    rows = []
    for name, one in methods.items():
        low, high = (f"{limit:.2f}".replace("-", "−") for limit in one["contrast_ratio_range"])
        rows.append([called(name), str(one["boxes"]), f"{one['contrast_ratio']:.2f}", f"{low} to {high}",
                     f"{one['cnr_ratio']:.2f}"])  # fmt: skip
    return table(("", "boxes", "contrast", "range", "contrast to noise"), rows)


def findings(images: Figures) -> str:
    """Mean probability, and how many images lie above the operating point."""
    rows = [
        [name, *(f"{one[f]['mean_probability']:.2f}, {100 * one[f]['flagged']:.0f}%" for f in CHANGED)]
        for name, one in images.items()
    ]
    return table(("image", *(name.replace("_", " ") for name in CHANGED)), rows)


def phantoms(methods: Figures) -> str:
    """What is left of the noise of a uniform exposure, and how its level moves."""
    rows = [[called(name), f"{100 * one['left']:.0f}%", f"{one['mean_shift']:.3f}"] for name, one in methods.items()]
    return table(("method", "noise left", "level"), rows)


def called(name: str) -> str:
    """Methods are names of the command line."""
    return name if name == "untouched" else f"`{name}`"


def signed(value: float) -> str:
    """With a sign, one digit."""
    return f"{value:+.1f}".replace("-", "−")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    sys.stdout.write("\n\n".join(tables(json.loads(Path(sys.argv[1]).read_text("utf-8")))) + "\n")
