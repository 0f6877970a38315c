"""The limits of a pilot's weighted figures hold what they promise, on simulated departments whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest

from miqa_node.features.pilot.strata import folded, is_flagged, shared
from miqa_node.libraries.plain_statistics.rates import Rate
from miqa_node.libraries.plain_statistics.stratified import Stratum, share_of_two, weighted_share

MANY_POSITIVES = 30


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    share: Rate
    truth: float

    @property
    def is_covered(self) -> bool:
        assert self.share.low is not None
        assert self.share.high is not None
        return self.share.low - 1e-9 <= self.truth <= self.share.high + 1e-9


def department(random: Random) -> dict[bool, dict[tuple[str, ...], list[bool]]]:
    """Images by what flagged them, room and part, each usable or not: rooms, findings and rates are all of its own."""
    rooms, parts, findings = random.randint(1, 8), random.randint(1, 6), random.randint(2, 8)
    weights = [[random.expovariate(1) + 0.1 for _ in range(number)] for number in (rooms, parts, findings)]
    right = [random.betavariate(1.5, 1.2) for _ in range(findings)]
    worst = 10 ** random.uniform(-3.3, -1)
    missed = [min(0.6, worst * random.lognormvariate(0, 0.7)) for _ in range(rooms)]
    rate = random.uniform(0.02, 0.3)
    sides: dict[bool, dict[tuple[str, ...], list[bool]]] = {True: {}, False: {}}
    for _ in range(int(10 ** random.uniform(2.5, 4.2))):
        room, part, finding = (random.choices(range(len(one)), one)[0] for one in weights)
        flagged = random.random() < rate
        is_bad = random.random() < (right[finding] if flagged else missed[room])
        key = ("flagged", str(finding)) if flagged else ("not flagged", "*")
        sides[flagged].setdefault((*key, str(room), str(part)), []).append(is_bad)
    return sides


def figures(seed: int) -> Iterator[Figure]:
    """Yield what a pilot of a simulated department says, with the truth; some images are lost or not read."""
    random = Random(seed)
    sides, number, loss = department(random), random.choice((100, 200, 200, 400)), random.choice((0.0, 0.0, 0.05))
    sizes = {side: sum(map(len, groups.values())) for side, groups in sides.items()}
    most = min(number // 2, sizes[True])
    strata: dict[bool, list[Stratum]] = {}
    for side, drawn in ((True, most), (False, min(number - most, sizes[False]))):
        groups = folded(sides[side], drawn)
        shares = shared({key: len(one) for key, one in groups.items()}, drawn)
        read = {
            key: [bad for bad in random.sample(one, shares[key]) if random.random() >= loss]
            for key, one in groups.items()
        }
        assert all(is_flagged(" / ".join(key)) is side for key in groups)
        strata[side] = [Stratum(len(groups[key]), len(one), sum(one)) for key, one in read.items()]
    bad = {side: sum(sum(one) for one in groups.values()) for side, groups in sides.items()}
    yield Figure("right", weighted_share(strata[True]), bad[True] / sizes[True])
    yield Figure("missed", weighted_share(strata[False]), bad[False] / sizes[False])
    caught = share_of_two(strata[True], strata[False])
    if caught.share is not None:
        yield Figure("caught", caught, bad[True] / sum(bad.values()))
    yield Figure("unusable", weighted_share([*strata[True], *strata[False]]), sum(bad.values()) / sum(sizes.values()))


@pytest.mark.parametrize(
    ("departments", "least", "most"),
    [
        pytest.param(100, 0.88, 1.0, id="100"),
        pytest.param(1000, 0.93, 0.98, id="1000", marks=pytest.mark.long),
    ],
)
def test_each_interval_covers_what_it_promises(departments: int, least: float, most: float) -> None:
    covered, covered_of_many = Counter[tuple[str, bool]](), Counter[tuple[str, bool]]()
    for seed in range(departments):
        for one in figures(seed):
            if one.share.low == one.share.high:
                continue  # all were read: nothing is uncertain
            covered[one.name, one.is_covered] += 1
            covered_of_many[one.name, one.is_covered] += one.share.count >= MANY_POSITIVES
    for name in ("right", "missed", "caught", "unusable"):
        share = covered[name, True] / (covered[name, True] + covered[name, False])
        assert share >= least, (name, share)
        many = covered_of_many[name, True] + covered_of_many[name, False]
        if many >= 100:
            assert covered_of_many[name, True] / many <= most, name
