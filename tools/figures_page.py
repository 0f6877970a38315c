"""docs/reference/figures.md: figures of the shipped packages' cards, in the template ``tools/figures.md.jinja``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from miqa_node.interfaces.cli.output import number
from miqa_node.stages.assess.card import read_sections
from miqa_node.stages.assess.choices import Choices
from miqa_node.stages.assess.targets import Targets
from miqa_node.stages.assess.two_sides import WEAK
from tools.figures_called import HEAD, called_and_flagged

Figures = Mapping[str, Any]
TOOLS = Path(__file__).parent
RESULTS = TOOLS.parent / "benchmarks" / "results"
PACKAGES = {
    "network": "quality-[0-9]*",
    "classical": "quality-classical-*",
    "radiographs": "any-radiograph-*",
    "objects": "objects-*",
    "landmarks": "landmarks-*",
    "denoiser": "denoiser-*",
    "pneumonia": "pneumonia-ensemble-*",
}
"""What the template calls the newest package of each pattern."""


def figures_page(note: str, models: Path) -> str:
    """The whole page; ``models`` is the folder of the shipped packages."""
    cards = {name: read_sections(max(models.glob(pattern))) for name, pattern in PACKAGES.items()}
    run = json.loads(max(RESULTS.glob("own_rooms-*.json")).read_text("utf-8"))
    looks = json.loads(max(RESULTS.glob("rooms-*.json")).read_text("utf-8"))
    of_objects = json.loads(max(RESULTS.glob("objects-*.json")).read_text("utf-8"))
    called = called_and_flagged(looks, of_objects, cards["network"], cards["radiographs"])
    environment = Environment(  # noqa: S701 - Markdown, made of our own cards
        loader=FileSystemLoader(TOOLS), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=number, percent=percent)
    environment.globals.update(
        head=head, row=row, found_but_noise=found_but_noise, number=number, numbers=numbers, percent=percent,
        interval=interval, between=between,
        named=named, of_sources=of_sources,
        label=lambda card: f"{card['name']}-{card['version']}",
        short=lambda value: f"{float(value):g}",
        spaced=lambda name: name.replace("_", " "),
        without=lambda start, names: [one.removeprefix(start) for one in names],
        sources_of=lambda findings: list(dict.fromkeys(name for one in findings.values() for name in one["sources"])),
        targets_of=lambda card: Targets.model_validate(card["targets"]),
        choices_of=lambda card: Choices.model_validate(card["choices"]),
        weights={one["architecture"]: one["weight"] for one in cards["pneumonia"]["members"]},
    )  # fmt: skip
    page = environment.get_template("figures.md.jinja")
    tables = {"called_head": HEAD, "called_rows": called, **_of_rooms(run["rooms"])}
    return page.render(note=note, run=run, looks=looks, **cards, **tables).rstrip() + "\n"


def found_but_noise(figures: Figures) -> str:
    """The mean over the simulated defects, but noise and inverted ones, which other rules find."""
    return number(fmean(share for name, share in figures["found"].items() if name not in {"noise", "inverted"}), 2)


def row(*cells: object) -> str:
    """A line of a table, of cells and of lists of cells."""
    return f"| {' | '.join(map(str, _flat(cells)))} |"


def head(*cells: object) -> str:
    """The first two lines of a table."""
    return f"{row(*cells)}\n|{'---|' * len(list(_flat(cells)))}"


def _flat(cells: Iterable[object]) -> Iterator[object]:
    for one in cells:
        yield from one if isinstance(one, Iterable) and not isinstance(one, str) else (one,)


def percent(value: float | None) -> str:
    """Of a share in [0, 1]; a dash where a card says nothing."""
    return "–" if value is None else f"{100 * value:.1f} %"


def numbers(one: Figures, keys: str | Iterable[str]) -> list[str]:
    """Three digits of each figure, or a dash."""
    return [number(one.get(key)) for key in (keys.split() if isinstance(keys, str) else keys)]


def interval(value: float | None, limits: Sequence[float | None]) -> str:
    """A value with its lower and upper limit, where there are any."""
    low, high = limits
    if value is None or low is None or high is None:
        return number(value)
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def between(one: Figures, name: str) -> str:
    """A figure with its limits."""
    return interval(one[name], (one[f"{name}_low"], one[f"{name}_high"]))


def named(name: str, one: Figures) -> str:
    """A finding, and whether it is weak."""
    return f"`{name}`, **weak**" if one["found"] < WEAK else f"`{name}`"


def of_sources(one: Figures, sources: Iterable[str]) -> list[str]:
    """The shares that are found, and flagged wrongly, in each source."""
    sides = [one["sources"].get(source) for source in sources]
    return ["–" if side is None else " / ".join(numbers(side, "found clean_flagged")) for side in sides]


def _of_rooms(rooms: Mapping[str, Figures]) -> Figures:
    """The ways in which rooms were judged, and three tables of them."""
    ways = list(dict.fromkeys(way for room in rooms.values() for way in room["ways"]))
    judged = [way for room in rooms.values() for way in room["ways"].values()]

    def called(key: str, way: str) -> Iterator[str]:
        for room in rooms.values():
            counts = room["ways"].get(way, {}).get(key)
            yield "–" if counts is None else f"{counts[0]} of {counts[1]}"

    def noise_found() -> Iterator[Sequence[str]]:
        for family in dict.fromkeys(family for one in judged for family in one["noise_found"]):
            for way in ways:
                shares = [room["ways"].get(way, {}).get("noise_found", {}).get(family, {}) for room in rooms.values()]
                yield family, way, number(_mean(shares)), *(number(one.get("told")) for one in shares)

    def soft_findings() -> Iterator[Sequence[str]]:
        for name in dict.fromkeys(name for one in judged for name in one["findings"]):
            cells = []
            for way in ways:
                sides = [room["ways"][way]["findings"][name] for room in rooms.values() if way in room["ways"]]
                simulated = [one for one in sides if one["found"]["images"]]
                recall, clean = (_mean([one[key] for one in simulated]) for key in ("found", "clean_told"))
                cells.append(f"{number(recall)} ({number(clean)})")
            yield f"`{name}`", *cells

    return {"ways": ways, "called": called, "noise_found": noise_found, "soft_findings": soft_findings}


def _mean(shares: Iterable[Figures]) -> float | None:
    values = [one["told"] for one in shares if one.get("told") is not None]
    return fmean(values) if values else None
