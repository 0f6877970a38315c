"""``miqa-node destinations plan``: the objects and bytes a day that each destination will get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.settings import Settings, share_dir
from miqa_node.errors import NotFoundError
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table
from miqa_node.interfaces.cli.store import opened
from miqa_node.stages.deliver.destinations import Destinations, parse_destinations
from miqa_node.stages.deliver.kinds.base import ObjectsConfig
from miqa_selftest.census import Census, of_site, usual

app = typer.Typer(no_args_is_help=True, help="What destinations will get, and what they do with it: plan, try.")
DAYS_A_YEAR = 365


@app.callback()
def _group() -> None:
    """Keep the group, also with one command."""


@app.command()
def plan(
    images_a_day: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Images a day; otherwise as many as the site had.")
    ] = None,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Of this profile, such as flagged-only, not of the site's destinations.")
    ] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show objects and bytes a day of each kind that each destination will get, by what this site had so far.

    Without destinations and --profile it shows each profile of config/profiles.
    """
    settings = settings_of(config, data_dir)
    configs = _configs(settings, profile)
    own = _own(settings, config, data_dir)
    census = own or usual()
    images = images_a_day or census.count / census.days
    tables = {name: received(census, one, images) for name, one in configs.items()}
    if as_json:
        print_json({"from": "own images" if own else "usual sizes", **_basis(census, images), "destinations": tables})
        return
    for line in _sentences(census, images, {kind for table in tables.values() for kind in table["objects"]}):
        print_line(line)
    print_table(
        ("Destination", "Object", *(Column(name, number=True) for name in
         ("Objects a day", "kB each", "MB a day", "GB a year"))),
        (row for name, table in tables.items() for row in _rows(name, table)),
    )  # fmt: skip


def received(census: Census, config: ObjectsConfig, images_a_day: float) -> dict[str, Any]:
    """What a destination gets a day, in all and by kind of object."""
    share = images_a_day / census.count
    kinds: dict[str, tuple[float, float]] = {}
    for one in census.received_by(config):
        objects, size = kinds.get(str(one.kind), (0.0, 0.0))
        kinds[str(one.kind)] = objects + one.count * share, size + one.count * one.size_bytes * share
    return _figures(kinds.values()) | {"objects": {kind: _figures([figures]) for kind, figures in kinds.items()}}


def _figures(kinds: Iterable[tuple[float, float]]) -> dict[str, Any]:
    every = list(kinds)
    size = sum(size for _, size in every)
    return {
        "objects_a_day": round(sum(count for count, _ in every), 3),
        "bytes_a_day": round(size),
        "bytes_a_year": round(size * DAYS_A_YEAR),
    }


def profiles() -> dict[str, Path]:
    """The ready files of destinations by name."""
    return {path.stem: path for path in sorted((share_dir("config") / "profiles").glob("*.toml"))}


def _configs(settings: Settings, profile: str) -> dict[str, ObjectsConfig]:
    """The destinations of objects to plan for, by the name that is shown."""
    ready, current = profiles(), Destinations(settings.destinations_file).current()
    if profile and profile not in ready:
        raise NotFoundError("There is no profile {name}; there are {names}.", name=profile, names=", ".join(ready))
    own = {name: one for name, one in current.items() if isinstance(one, ObjectsConfig)}
    if own and not profile:
        return own
    chosen = {profile: ready[profile]} if profile else ready
    parsed = {name: parse_destinations(path)[0] for name, path in chosen.items()}
    return {name: one for name, one in parsed.items() if isinstance(one, ObjectsConfig)}


def _own(settings: Settings, config: Path | None, data_dir: Path | None) -> Census | None:
    """What the node's rows say; None before its first image, or its first start."""
    if not (settings.store.database_url or (settings.node.data_dir / "miqa.sqlite").is_file()):
        return None
    with opened(config, data_dir) as database, database.begin() as transaction:
        return of_site(transaction, datetime.now(UTC))


def _basis(census: Census, images_a_day: float) -> Mapping[str, Any]:
    return {
        "images": census.count,
        "flagged": census.flagged,
        "days": census.days,
        "modalities": census.images,
        "images_a_day": images_a_day,
    }


def _sentences(census: Census, images_a_day: float, kinds: set[str]) -> Iterator[str]:
    """The images that the plan follows from, and the sizes that do not follow from them."""
    share = census.flagged / census.count
    yield f"For {images_a_day:.4g} images a day, {share:.0%} of them flagged, by"
    if census.since is None:
        yield "radiographs of 2048 × 2048 that are decided about if flagged: this node has reported no image yet."
        return
    mix = ", ".join(f"{name} {count}" for name, count in sorted(census.images.items()))
    yield f"{census.count} images of this node ({mix}) since {moment(census.since)}."
    if strange := sorted(kinds - {one.kind for one in census.groups}):
        yield f"Not made here yet, so of the size for a radiograph of 2048 × 2048: {', '.join(strange)}."


def _rows(name: str, table: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    objects: Mapping[str, Any] = table["objects"]
    for kind, of in objects.items():
        yield name, kind, *_cells(of)
    yield name, "all" if objects else "nothing", *_cells(table)


def _cells(of: Mapping[str, Any]) -> tuple[str, ...]:
    count, size = of["objects_a_day"], of["bytes_a_day"]
    each = f"{size / count / 1e3:,.1f}" if size and count else "?" if count else ""
    return f"{count:,.1f}", each, f"{size / 1e6:,.2f}", f"{of['bytes_a_year'] / 1e9:,.2f}"
