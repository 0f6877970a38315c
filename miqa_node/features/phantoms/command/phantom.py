"""``miqa-node phantom``: measures phantoms in files, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import cv2
import typer

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.words.formats import unit
from miqa_node.errors import ArchiveError, DecodeError, SettingsError
from miqa_node.features.phantoms.files import SeriesRead, read_series, series_of
from miqa_node.features.phantoms.pictures import drawn
from miqa_node.features.phantoms.values import PhantomReadings, PhantomValue, Region
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.files import images, unpacked
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, number, print_json, print_line, print_table
from miqa_node.interfaces.cli.progress_bar import beside_lines
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.measure.series_view import SliceTools


def phantom(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", exists=True, help="DICOM or ZIP files, or folders of them."),
    ],
    as_json: AsJson = False,
    kind: Annotated[
        PhantomKind | None,
        typer.Option(metavar="KIND", help="Measure every series as this kind of phantom, whatever it looks like."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write pictures of the slices with what was read on them."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Measure phantoms in files; what the node received is listed with phantoms.

    A table for each series of a study, or for each of its scans; what was not measured says why. Exit code 1: a file
    could not be read.
    """
    settings = settings_of(config)
    quiet_logs(settings)
    files, _ = images(paths)
    if not files:
        raise SettingsError("No image was found below the paths.")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    tools = SliceTools(partial(decode_here, max_pixels=settings.imaging.max_pixels))
    with TemporaryDirectory() as scratch:
        try:
            names, empty = unpacked(files, Path(scratch), settings.web)
        except ArchiveError as error:
            raise SettingsError(str(error)) from error
        series, unread = series_of(beside_lines(list(names), "Reading headers"), settings.imaging.anatomy)
        for one in read_series(beside_lines(series, "Measuring"), tools, kind or ""):
            for place, document in enumerate(documents_of(one)):
                _print(document, as_json=as_json)
                if out is not None and one.readings:
                    _draw(one.readings[place], tools, out)
        for file in (*unread, *empty):
            typer.echo(f"{names.get(file, file)}: not a DICOM image that can be read.", err=True)
    if not series:
        typer.echo("There is no CT or MR series below the paths.", err=True)
    if unread or empty:
        raise typer.Exit(Exit.FAILED)


def documents_of(read: SeriesRead) -> Iterator[dict[str, Any]]:
    """One JSON document for each stack; one that says why nothing was measured if there is none."""
    head = {
        "study_instance_uid": read.of.header.study_instance_uid,
        "series_instance_uid": read.of.header.series_instance_uid,
        "modality": read.of.header.modality,
        "manufacturer": read.of.header.manufacturer,
        "model": read.of.header.manufacturer_model_name,
        "kind": read.kind,
        "recognised": read.recognised,
    }
    if not read.readings:
        yield {**head, "stack": 0, "stacks": 0, "slices": len(read.of.files), "results": {}, "reason": read.why_not}
    for one in read.readings:
        yield {
            **head,
            "stack": one.stack,
            "stacks": one.stacks,
            "slices": one.slices,
            "results": results_of(one),
            "reason": _shared(one),
        }


def _shared(one: PhantomReadings) -> str:
    if one.stacks < 2:
        return ""
    return f"{one.stacks} scans or volumes share this Series Instance UID; this is number {one.stack + 1}."


def results_of(readings: PhantomReadings) -> dict[str, Any]:
    """Values by name; those of a group, whose names have a dot, below the group's."""
    results: dict[str, Any] = {}
    for one in readings.values:
        group, _, name = one.name.partition(".")
        (results.setdefault(group, {}) if name else results)[name or group] = _value(one)
    return results


def _value(one: PhantomValue) -> dict[str, Any]:
    read_on = one.read_on
    return {
        "value": one.value,
        "unit": one.unit,
        "definition": one.definition,
        "source": one.source,
        "reason": one.reason,
        "slice": None
        if read_on is None
        else {
            "role": read_on.role,
            "sop_instance_uid": read_on.sop_instance_uid,
            "instance_number": read_on.instance_number,
            "frame": read_on.frame,
        },
        "regions": [
            {"graphic_type": region.graphic_type, "points": region.points, "label": region.label}
            for region in one.regions
        ],
    }


def _print(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    stack = f"({document['stack'] + 1} of {document['stacks']})" if document["stacks"] > 1 else ""
    print_line(document["kind"] or "-", document["series_instance_uid"], stack, document["reason"])
    rows = [
        (name, "not measured" if one["value"] is None else number(one["value"]), unit(one["unit"]), one["reason"])
        for name, one in _flat(document["results"])
    ]
    if rows:
        print_table([Column("Value", whole=True), Column("Measured", number=True), "Unit", "Why not"], rows)


def _flat(results: dict[str, Any], group: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in results.items():
        if "value" in one:
            yield f"{group}{name}", one
        else:
            yield from _flat(one, f"{name}.")


def _draw(readings: PhantomReadings, tools: SliceTools, out: Path) -> None:
    """One picture of each slice on which something was read."""
    by_slice: dict[tuple[str, int], list[Region]] = {}
    for one in readings.values:
        if one.read_on is not None and one.regions:
            by_slice.setdefault((one.read_on.digest, one.read_on.frame), []).extend(dict.fromkeys(one.regions))
    roles = {(one.read_on.digest, one.read_on.frame): one.read_on for one in readings.values if one.read_on is not None}
    for key, regions in by_slice.items():
        try:
            radiograph = tools.decode(Path(key[0]), key[1])
        except DecodeError:
            continue
        role = roles[key].role or f"slice_{roles[key].instance_number}"
        encoded, data = cv2.imencode(".png", drawn(radiograph, regions))
        if encoded:
            write_whole(out / f"{readings.series_instance_uid}_{readings.stack + 1}_{role}.png", data.tobytes())
