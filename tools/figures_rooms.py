"""Section of docs/reference/figures.md on what fifty images of a room add."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from miqa_node.interfaces.cli.output import number
from tools.figures_table import Figures, table

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def rooms_section() -> Iterable[str]:
    """Both columns of each soft finding, of the newest run."""
    result = json.loads(max(RESULTS.glob("own_rooms-*.json")).read_text("utf-8"))
    rooms: Mapping[str, Figures] = result["rooms"]
    ways = list(dict.fromkeys(way for room in rooms.values() for way in room["ways"]))
    yield from ("## Out of the box, and after fifty images of a room", "")
    yield (
        f"Made by `benchmarks.own_rooms` of commit ad6df247, with the policy {result['policy']}. Each source plays "
        f"one room, with an invented station and days: {result['learned']} images that nobody sorted teach, those of "
        "other patients are judged as they are and with simulated defects of severity .5, .75 and 1. *Own ranges*: "
        "flagged, or hinted at by a [usual range](../explanation/usual-ranges.md#noise) that somebody confirmed. Usual "
        "ranges tell of noise, sharpness, contrast and exposure; nothing changes of the other findings, of which "
        "[limits of rooms](../how-to/tune-the-policy.md#an-alarm-budget) are made."
    )
    yield ""
    yield from table(("room", "images", "learned", "judged"), [_room(name, one) for name, one in rooms.items()])
    yield "Images as they are that soft findings flag; those that no reader called noisy, called noisy (or hinted at):"
    yield ""
    yield from table(("", "", *rooms), [
        (words, way, *(_of(room["ways"].get(way, {}).get(key)) for room in rooms.values()))
        for key, words in (("flagged", "flagged"), ("called_noisy", "called noisy"))
        for way in ways
    ])  # fmt: skip
    yield (
        "Noise found, by simulator: flagged or hinted at. *degrade* and *kept* are families of the cards, which add "
        "the noise of an ideal detector; the last takes a share of the room's own dose, so its own grain grows. "
        "A dash: it cannot be seen in pictures as rough as these. `grain_over_structure`, by which ranges tell noise, "
        "was chosen on 48 images of each source, so expect somewhat less elsewhere."
    )
    yield ""
    yield from table(("simulator", "", "mean", *rooms), _noise(rooms, ways))
    yield (
        "Every soft finding: flagged or hinted at, of marked defects; in brackets the same of images as they are. "
        "Means over the rooms in which it was simulated."
    )
    yield ""
    yield from table(("finding", *ways), _findings(rooms, ways))


def _room(name: str, one: Figures) -> Sequence[str]:
    return name, one["about"], str(one["learned"]), str(one["judged"])


def _of(counts: Sequence[int] | None) -> str:
    return "–" if counts is None else f"{counts[0]} of {counts[1]}"


def _noise(rooms: Mapping[str, Figures], ways: Sequence[str]) -> Iterable[Sequence[str]]:
    families = dict.fromkeys(family for room in rooms.values() for way in room["ways"].values()
                             for family in way["noise_found"])  # fmt: skip
    for family in families:
        for way in ways:
            shares = [room["ways"].get(way, {}).get("noise_found", {}).get(family, {}) for room in rooms.values()]
            yield family, way, number(_mean(shares)), *(number(one.get("told")) for one in shares)


def _findings(rooms: Mapping[str, Figures], ways: Sequence[str]) -> Iterable[Sequence[str]]:
    names = dict.fromkeys(name for room in rooms.values() for way in room["ways"].values() for name in way["findings"])
    for name in names:
        cells = []
        for way in ways:
            sides = [room["ways"][way]["findings"][name] for room in rooms.values() if way in room["ways"]]
            simulated = [one for one in sides if one["found"]["images"]]
            recall, clean = (_mean([one[key] for one in simulated]) for key in ("found", "clean_told"))
            cells.append(f"{number(recall)} ({number(clean)})")
        yield f"`{name}`", *cells


def _mean(shares: Iterable[Mapping[str, Any]]) -> float | None:
    values = [one["told"] for one in shares if one.get("told") is not None]
    return fmean(values) if values else None
