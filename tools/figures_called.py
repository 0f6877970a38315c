"""The first table of docs/reference/figures.md: each finding called, flagged and flagged falsely, and on which ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from miqa_node.interfaces.cli.output import number

Figures = Mapping[str, Any]
HEAD = ("finding", "images", "these chose", "with", "without", "called", "flagged", "flagged falsely")
NEW_ROOMS = ("jsrt", "wingspan")
"""The sources of ``benchmarks.rooms`` that taught nothing and chose nothing."""
CHOSE = {
    "choosing": "the network's run, the limit",
    "second": "the limit",
    "development": "the limit",
    "held_out": "calibration, the limit",
}
"""What the sets of ``benchmarks.objects`` chose."""
REMOVABLE, OVER = "removable", "removable over lung or mediastinum"
DEVICES, NOTHING = "devices_only", "nothing"


def called_and_flagged(looks: Figures, objects: Figures, network: Figures, radiographs: Figures) -> Iterator[list[str]]:
    """The rows: what chose nothing first."""
    rooms = [looks["rooms"][name] for name in NEW_ROOMS]
    for name in rooms[0]["before"]["found"]:
        called, flagged, falsely = (
            number(fmean(room["before"][key][name] for room in rooms), 2) for key in ("called", "found", "falsely")
        )
        images = str(sum(room["judged"] for room in rooms))
        yield [f"`{name}`", ", ".join(NEW_ROOMS), "nothing", "simulated", images, called, flagged, falsely]
    for name, sides in network["two_sides"]["findings"].items():
        yield [f"`{name}`", "development set", "designs, limits", *_two_sides(sides)]
    for name, sides in radiographs["metrics"]["findings"].items():
        yield [f"`{name}`, other parts", "sources left out, each in turn", "no weight; the limits", *_two_sides(sides)]
    for part, kinds in objects["sets"].items():
        yield from _of_objects(part, kinds)


def _two_sides(sides: Figures) -> list[str]:
    defects, clean = (sum(of[key] for of in sides["sources"].values()) for key in ("defects", "clean"))
    return [str(defects), str(clean), "–", number(sides["found"], 2), number(sides["clean_flagged"], 2)]


def _of_objects(part: str, kinds: Figures) -> Iterator[list[str]]:
    where = part.replace("_", " ") + " set" if part != "held_out" else "held-out patients"
    without = f"{kinds[DEVICES]['images']} with devices, {kinds[NOTHING]['images']} with nothing"
    falsely = f"{_share(kinds[DEVICES], 'flagged')}, {_share(kinds[NOTHING], 'flagged')}"
    for kind, words in ((REMOVABLE, ""), (OVER, ", over lung or mediastinum")):
        with_it = kinds[kind]
        shares = [_share(with_it, key) for key in ("called", "flagged")]
        yield [f"`foreign_object`{words}", where, CHOSE[part], str(with_it["images"]), without, *shares, falsely]


def _share(counts: Mapping[str, int], key: str) -> str:
    return number(counts[key] / counts["images"] if counts["images"] else None, 2)
