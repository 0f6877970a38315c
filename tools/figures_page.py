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
from tools.figures_called import HEAD, NEW_ROOMS, called_and_flagged

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
    every = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("rooms-*.json"))]
    looks, unseen = every[-1], [one for one in every if {*NEW_ROOMS} <= one["rooms"].keys()][-1]
    of_objects = json.loads(max(RESULTS.glob("objects-*.json")).read_text("utf-8"))
    called = called_and_flagged(unseen, of_objects, cards["network"], cards["radiographs"])
    environment = Environment(  # noqa: S701 - Markdown, made of our own cards
        loader=FileSystemLoader(TOOLS), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=number, percent=percent)
    environment.globals.update(
        head=head, row=row, found_but_noise=found_but_noise, found_and_falsely=found_and_falsely,
        number=number, numbers=numbers, percent=percent,
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
    tables = {"called_head": HEAD, "called_rows": called}
    return page.render(note=note, looks=looks, unseen=unseen, **cards, **tables).rstrip() + "\n"


def found_but_noise(figures: Figures) -> str:
    """The mean over the simulated defects, but noise and inverted ones, which other rules find."""
    return number(fmean(share for name, share in figures["found"].items() if name not in {"noise", "inverted"}), 2)


def found_and_falsely(rooms: Figures, name: str) -> list[str]:
    """In each room the share of a simulated defect that is found, and of images without it that are flagged for it."""
    after = [room["after_50"] for room in rooms.values()]
    return [f"{number(one['found'].get(name), 2)} ({number(one['falsely'].get(name), 2)})" for one in after]


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
