"""The page of operating points: what the shipped policy flags on development images, as text and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_ABOUT = """\
A model gives the probability and the severity of a finding; limits decide which findings raise an alarm. This page
explains how the limits of the default policy were chosen and what their effect is. It is made by

```sh
miqa-node assess DATA/cxr_eval --json > scores.jsonl
miqa-node evaluate operating-points scores.jsonl --annotations DATA/annotations/eval.jsonl --page FILE
```

These are **development** figures: the limits were chosen on these images, so a new hospital must expect somewhat more
alarms. Readers' grades are weak where agreement is weak (noise: κ .67, usable: κ .48).

## What the policy flags
"""

_LIMITS = """\
A share with its count and images; the upper limit is that of Clopper and Pearson at 95 % over all images, which counts
images of one patient as independent. The macro mean gives each hospital the same weight.

## Limits of soft findings

*Hard* findings (cut lungs, double exposure, inversion, motion) always flag an image. A *soft* finding is common
in slight degrees. For each soft finding one number is chosen, the least severity that flags: the smallest at which no
hospital has more than 1 in 40 of its usable images flagged by it, plus one step of 0.05. The default policy asks for
about this or somewhat more: networks estimate the severity of what they hardly see as low, so a high limit would leave
marked defects unflagged. For over-exposure, contrast and grid lines it asks for a probability instead. Noise is
measured, and most images of the noisiest hospital that the default flags are noisy to readers, too. The columns of the
hospitals show the result at each one if only the other hospitals choose the limit, which is what a new hospital may
expect:
"""

_END = """\
**What a limit rests on.** No new limit is set by fewer than 40 images with what it is about, or by one set of images;
each source counts alike, and simulated defects count on images that chose no weights, except for objects and
positioning. The limits in this table are older than that rule and rest on one set. They stay in force until there is
more. The limit of objects rests on four sets ([both sides](quality.md#objects-and-devices-by-a-network-of-their-own)).

A large share in that table means that no limit of the finding holds everywhere: what is common depends on the detector
and its processing. The default limit is then the strictest, and each room of a site learns its
own ([Limits of rooms](../how-to/limits-of-rooms.md#rooms-learn)).
"""


def operating_points_page(model: str, images: int, figures: Mapping[str, Any], limits: Mapping[str, Any]) -> str:
    """Markdown; ``figures`` and ``limits`` are those of ``operating_points``."""
    hospitals = list(next(iter(figures.values()))["hospitals"])
    lines = [
        "# Operating points",
        "",
        "<!-- Made by `miqa-node evaluate operating-points --page`; do not edit. -->",
        "",
    ]
    lines += [_ABOUT, f"{images} images, judged by {model}.", ""]
    lines += _head(("", *hospitals, "all", "upper limit", "macro mean"))
    for one in figures.values():
        macro = "–" if one["macro"] is None else f"{one['macro']:.2f}"
        shares = (share_text(one["hospitals"][hospital]) for hospital in hospitals)
        lines.append(_row((one["words"], *shares, share_text(one["all"]), f"{one['all']['upper']:.2f}", macro)))
    lines += ["", _LIMITS, *_head(("finding", "least severity that the images ask for", *hospitals))]
    for name, one in limits.items():
        held_out = (held_out_text(one["held_out"].get(hospital)) for hospital in hospitals)
        lines.append(_row((f"`{name}`", f"{one['least_severity']:.2f}", *held_out)))
    return "\n".join([*lines, "", _END])


def share_text(row: Mapping[str, Any]) -> str:
    """A share with its count; a dash without images."""
    return "–" if row["share"] is None else f"{row['share']:.2f} ({row['count']}/{row['images']})"


def held_out_text(row: Mapping[str, Any] | None) -> str:
    """The share at the left-out hospital, and the limit chosen on the others."""
    return "–" if row is None else f"{share_text(row)} at {row['limit']:.2f}"


def _head(cells: Sequence[str]) -> list[str]:
    return [_row(cells), _row(["---"] * len(cells))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
