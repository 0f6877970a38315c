"""How well the node finds faults of whole series: they are put into stacks of real files, which are then judged.

    python -m miqa_training.series_faults --rounds 3 --seed 1 FOLDER_OF_A_SERIES ...

One line a fault and way: of how many stacks; in how many of them its measurement could be taken, and the area under
the ROC curve of these against the same stacks unaltered; and the share of all that limits of the shipped policy find.
The first line counts unaltered stacks beyond a limit. A single slice counts as a stack; a node gives it no verdict.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.kinds import series_traits
from miqa_training.degrade.series import field as field_of_view
from miqa_training.degrade.series import hounsfield, noise, order, rings, streaks
from miqa_training.degrade.series.stack import MAX_PIXELS, RealStack, SeriesFault, read_stack, write_stack

SHORTEST, LONGEST = 8, 14
"""Slices of a part of a series that is judged; the whole series if it is shorter."""


class FaultKind(NamedTuple):
    """Its measurements, of which the first one's distance from ``usual`` is the score, and the ways to make it.

    ``of_stack``: it is between slices, of any modality; else it is within slices of CT.
    """

    measurements: tuple[str, ...]
    ways: tuple[SeriesFault, ...]
    of_stack: bool = False
    usual: float = 0.0


NOISE = ("ct_noise", "normalised_noise", "noise_for_dose", "noise_whiteness")

FAULTS: Mapping[str, FaultKind] = {
    "gap": FaultKind(("slice_gaps",), (order.cut_gap, order.moved_part), of_stack=True),
    "dropped": FaultKind(("slice_gaps",), (order.dropped, order.dropped_unnoticed), of_stack=True),
    "swapped": FaultKind(("slice_disorder",), (order.swapped_neighbours, order.swapped_places), of_stack=True),
    "doubled": FaultKind(
        ("slices_repeated", "slice_overlaps"), (order.repeated_pixels, order.repeated_slice), of_stack=True
    ),
    "noise x 2, by texture": FaultKind(("noise_whiteness", *NOISE), (noise.white_noise, noise.own_noise)),
    "noise x 2, by amount": FaultKind(("normalised_noise", *NOISE), (noise.white_noise, noise.own_noise)),
    "noise x 2, for dose": FaultKind(("noise_for_dose", *NOISE), (noise.white_noise, noise.own_noise)),
    "truncation": FaultKind(("truncation",), (field_of_view.off_centre, field_of_view.small_field)),
    "ring": FaultKind(("ring_index",), (rings.drawn_ring, rings.weak_channel)),
    "streak, by air": FaultKind(("streak_index", "streak_direction"), (streaks.rays, streaks.lost_views)),
    "streak, by tissue": FaultKind(("streak_direction", "streak_index"), (streaks.rays, streaks.lost_views)),
    "HU shift 30": FaultKind(("hu_offset", "hu_air", "hu_fat"), (hounsfield.offset, hounsfield.wrong_water)),
}


@dataclass(frozen=True, slots=True)
class StackResult:
    """The numbers of a stack, and the measurements for which the policy flags it."""

    numbers: Mapping[str, float]
    flagged: frozenset[str]


@dataclass(slots=True)
class Tally:
    """Scores of one fault made in one way, of the same stacks unaltered, and how many were found."""

    plain: list[float] = field(default_factory=list)
    altered: list[float] = field(default_factory=list)
    count: int = 0
    found: int = 0

    def add(self, kind: FaultKind, before: StackResult, after: StackResult) -> None:
        """Count a stack, before and after."""
        self.count += 1
        self.found += bool(after.flagged & set(kind.measurements))
        for scores, judgement in ((self.plain, before), (self.altered, after)):
            number = judgement.numbers.get(kind.measurements[0])
            if number is not None:
                scores.append(abs(number - kind.usual))


def auroc(plain: Sequence[float], altered: Sequence[float]) -> float:
    """Share of pairs in which the altered one scores higher; ties count half.

    >>> auroc([1.0, 2.0], [2.0, 3.0])
    0.875
    """
    above = np.subtract.outer(np.asarray(altered), np.asarray(plain))
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def judge(stack: RealStack, folder: Path, policy: Policy) -> StackResult:
    """Write the stack into the folder and judge it as the node does."""
    paths = write_stack(stack, folder)
    files = [(InstanceDigest(hashlib.sha256(path.name.encode()).hexdigest()), path) for path in paths]
    header, _ = read_header(paths[-1])
    judged = judge_series(header, series_traits(header), files[-1][0], files, SliceTools(decode_slice), len(files))
    numbers = {one.name: one.value for one in judged.assessment.measurements}
    reasons = decide(replace(judged.assessment, unfit=""), policy).reasons
    return StackResult(numbers, frozenset(one.name for one in reasons if one.name in numbers))


def decode_slice(path: Path, frame: int) -> Radiograph:
    """The pixels of a slice, in this process."""
    decoded = decode_frame(path, frame, MAX_PIXELS)
    return Radiograph(decoded.stored, decoded.display, decoded.stored_range, decoded.spacing_mm, decoded.valid)


def parts(stack: RealStack, rounds: int, rng: np.random.Generator) -> Iterator[RealStack]:
    """Random neighbouring slices of a long stack, each round another part; a short stack is taken whole."""
    for _ in range(rounds):
        if len(stack) <= SHORTEST:
            yield stack
            continue
        count = int(rng.integers(SHORTEST, min(LONGEST, len(stack)) + 1))
        first = int(rng.integers(len(stack) - count + 1))
        yield stack.part(range(first, first + count))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("series", type=Path, nargs="+", help="folders with one series each, or single files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--numbers", type=Path, help="append all numbers to this file, one stack a line")
    options = parser.parse_args()
    rng, policy = np.random.default_rng(options.seed), read_policy(load_settings().policy_file)
    tallies: dict[tuple[str, str], Tally] = {}
    alarms: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for path in options.series:
            stack = read_stack(sorted(path.iterdir()) if path.is_dir() else [path])
            for number, part in enumerate(parts(stack, options.rounds if len(stack) > 1 else 1, rng)):
                plain = judge(part, Path(folder) / f"{path.name}-{number}", policy)
                alarms.update(plain.flagged or {"nothing"})
                _keep(options.numbers, path.name, "unaltered", plain)
                for name, kind in FAULTS.items():
                    for way in kind.ways:
                        if _fits(kind, part):
                            altered = judge(
                                way(part, rng), Path(folder) / f"{path.name}-{number}-{way.__name__}", policy
                            )
                            tallies.setdefault((name, way.__name__), Tally()).add(kind, plain, altered)
                            _keep(options.numbers, path.name, way.__name__, altered)
    sys.stdout.write(f"unaltered stacks, flagged for: {dict(alarms)}\n")
    for (name, maker), tally in tallies.items():
        share = tally.found / tally.count
        area = f"{auroc(tally.plain, tally.altered):.3f}" if tally.plain and tally.altered else "-"
        measured = f"{len(tally.altered)} of {tally.count}"
        sys.stdout.write(f"{name:26}{maker:22}{measured:>10}  AUROC {area}  found {share:.2f}\n")


def _fits(kind: FaultKind, part: RealStack) -> bool:
    return len(part) >= SHORTEST if kind.of_stack else part.headers[0].Modality == "CT"


def _keep(file: Path | None, series: str, way: str, judgement: StackResult) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as lines:
            line = {"series": series, "way": way, "flagged": sorted(judgement.flagged), **judgement.numbers}
            lines.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
