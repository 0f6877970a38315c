"""Draws a sample for readers: by what flagged an image, its room and body part, flagged and unflagged ones apart.

Half of the sample are flagged images, so that both questions, how often a flag is right and what is missed, get an
answer; the report weights what was read by the fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from miqa_node.features.pilot.rows.images import PilotImage

T = TypeVar("T")
LEAST_DRAWN = 2
"""A stratum of which fewer would be drawn has no variance: it joins others of its side."""
OTHERS = "*"
SEPARATOR = " / "
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrawnStratum:
    """A stratum: a name that says what is in it, its images, and those that were drawn of it."""

    name: str
    images: tuple[PilotImage, ...]
    drawn: tuple[PilotImage, ...]


def draw(images: Sequence[PilotImage], number: int, random: Random) -> list[DrawnStratum]:
    """A sample of judged images; all of them if there are fewer than ``number``."""
    sides = [[one for one in images if bool(one.findings) is is_flagged] for is_flagged in (True, False)]
    most = min(number // 2, len(sides[0]))
    wished = max(most, min(len(sides[0]), number - len(sides[1]))), min(number - most, len(sides[1]))
    return [
        stratum for side, size in zip(sides, wished, strict=True) for stratum in _of_side(side, size, random) if side
    ]


def _of_side(images: Sequence[PilotImage], number: int, random: Random) -> list[DrawnStratum]:
    groups: dict[Key, list[PilotImage]] = {}
    for one in images:
        groups.setdefault((*_side(one), one.room, one.body_part), []).append(one)
    groups = folded(groups, number)
    shares = shared({key: len(members) for key, members in groups.items()}, number)
    return [
        DrawnStratum(SEPARATOR.join(key), tuple(members), tuple(random.sample(members, shares[key])))
        for key, members in sorted(groups.items())
    ]


def _side(one: PilotImage) -> tuple[str, str]:
    return ("flagged", one.findings[0]) if one.findings else ("not flagged", OTHERS)


def is_flagged(stratum: str) -> bool:
    """Whether a stratum is of flagged images."""
    return stratum.startswith(f"flagged{SEPARATOR}")


def folded(groups: Mapping[Key, list[T]], number: int) -> dict[Key, list[T]]:
    """Small groups join others: first over body parts, then over rooms, then over findings."""
    now, total = dict(groups), sum(map(len, groups.values()))
    for level in (3, 2, 1):
        small = [key for key, members in now.items() if number * len(members) < LEAST_DRAWN * total]
        for key in small if len(now) > 1 else ():
            joined = (*key[:level], *[OTHERS] * (len(key) - level))
            members = now.pop(key)
            now[joined] = [*now.get(joined, ()), *members]
    return now


def shared(sizes: Mapping[Key, int], number: int) -> dict[Key, int]:
    """How many are drawn of each: in proportion, by the largest remainder.

    >>> shared({("a",): 10, ("b",): 25}, 7)
    {('a',): 2, ('b',): 5}
    """
    total = sum(sizes.values())
    most = min(number, total)
    quotas = {key: most * size / total for key, size in sizes.items()}
    drawn = {key: int(quota) for key, quota in quotas.items()}
    by_rest = sorted(quotas, key=lambda key: (int(quotas[key]) - quotas[key], key))
    for key in by_rest[: most - sum(drawn.values())]:
        drawn[key] += 1
    return drawn
