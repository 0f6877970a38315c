"""``miqa-node pilot sample`` and ``report``: what readers say of a pilot's images, and the page of proof."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.pixel_text import TextImageKind
from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.errors import ConflictError
from miqa_node.features.pilot.archive import Way
from miqa_node.features.pilot.command.pilot import HoursOption, Name, PaceOption, app, limits_for, note
from miqa_node.features.pilot.pace import Hours
from miqa_node.features.pilot.rows import images, pilots, sample
from miqa_node.features.pilot.rows.lines import lines_of
from miqa_node.features.pilot.rows.pilots import StoredPilot
from miqa_node.features.pilot.rows.sample import SampleCounts
from miqa_node.features.pilot.strata import draw
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line, to_json
from miqa_node.interfaces.cli.site_choice import policy_of
from miqa_node.interfaces.cli.store import open_transaction, opened
from miqa_node.runtime.people import users
from miqa_node.runtime.store.database import Database

ReaderOption = typer.Option(metavar="ACCOUNT", help="Who reads them, blinded to the verdict.")


@app.command("sample")
def draw_sample(
    name: Name,
    reader: Annotated[str, ReaderOption] = "",
    number: Annotated[int, typer.Option("--images", metavar="N", min=10, max=20_000, help="How many to draw.")] = 200,
    second_reader: Annotated[str, typer.Option(metavar="ACCOUNT", help="Who reads a part of them, too.")] = "",
    overlap: Annotated[int, typer.Option(metavar="N", min=0, help="How many both read.")] = 50,
    pace: PaceOption = 1.0,
    hours: HoursOption = "22:00-06:00",
    now: Annotated[bool, typer.Option("--now", help="Fetch at any hour.")] = False,
    by: Annotated[Way, typer.Option("--by", metavar="any|get|move", help="As of run.", case_sensitive=False)] = Way.ANY,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Draw images for readers, half of them flagged, and fetch them again; the same command goes on after any end.

    Exit code 1: the archive no longer gave some of them.
    """
    from miqa_node.features.pilot.judging import PilotJudge
    from miqa_node.features.pilot.opening import only_run, opened_source
    from miqa_node.features.pilot.sampling import SampleCampaign

    settings, when = settings_of(config, data_dir), Hours.read(hours)
    readers = tuple(filter(None, (reader, second_reader)))
    with opened(config, data_dir) as database, only_run(settings) as folder:
        stored = _drawn(database, name, readers, number, overlap, actor or login())
        protocol = stored.protocol
        with (
            opened_source(settings, database, protocol, folder, by) as source,
            closing(PilotJudge(searching_text(settings))) as judge,
        ):
            limits = limits_for(settings, protocol, stored.idle_s or 0.0, pace, None if now else when, as_json=as_json)
            SampleCampaign(database, protocol, source, judge, limits, folder).fetch_sample()
        with database.begin() as transaction:
            counts, losses = sample.counts(transaction, name), sample.losses(transaction, name)
    _show(name, stored.readers, counts, losses, as_json=as_json)
    if losses:
        raise typer.Exit(Exit.FAILED)


def _drawn(database: Database, name: str, readers: tuple[str, ...], number: int, overlap: int, who: str) -> StoredPilot:
    """The pilot with its sample, which is drawn at the first call."""
    with database.begin() as transaction:
        stored = pilots.find(transaction, name)
        if stored.sampled_at is not None:
            if readers and readers != stored.readers:
                raise ConflictError("The sample was drawn for {readers}.", readers=", ".join(stored.readers))
            return stored
        if not readers or len(set(readers)) != len(readers):
            raise typer.BadParameter("say who reads: --reader ACCOUNT, and --second-reader another one")
        for reader in readers:
            if users.find(transaction, reader) is None:
                raise ConflictError("{reader} has no account.", reader=reader)
        if waiting := pilots.counts(transaction, name).waiting:
            raise ConflictError(
                "{count} images wait: end the run first, miqa-node pilot run {name}.", count=waiting, name=name
            )
        judged = [one for one in images.select(transaction, name) if one.verdict not in ("", "NOT_ASSESSED")]
        if not judged:
            raise ConflictError("No image of this pilot has a verdict.")
        strata = draw(judged, number, stored.protocol.random("sample"))
        order = [one.image_id for stratum in strata for one in stratum.drawn]
        stored.protocol.random("order").shuffle(order)
        both = overlap if len(readers) > 1 else 0
        seconds = stored.protocol.random("second reader").sample(order, min(both, len(order)))
        sample.store(transaction, name, strata, order, readers, seconds, datetime.now(UTC))
        stored = pilots.find(transaction, name)
    note(database, who, "sample", stored.protocol, {"drawn": len(order)})
    return stored


def searching_text(settings: Settings) -> Settings:
    """The settings, with a search for text in all images."""
    text = settings.text.model_copy(update={"sources": tuple(TextImageKind)})
    return settings.model_copy(update={"text": text})


def _show(name: str, readers: tuple[str, ...], counts: SampleCounts, losses: dict[int, str], *, as_json: bool) -> None:
    if as_json:
        print_json({**to_json(counts), "losses": sorted(losses.values())})
        return
    for words in sorted(losses.values()):
        print_line(f"not in the archive any more: {words}")
    print_line(f"{name}: {counts.drawn} drawn, {counts.fetched} ready to read, {counts.lost} lost")
    for place, reader in enumerate(readers):
        own = counts.second if place else counts.drawn
        print_line(f"{reader} signs in and reads {own} at /pilots/{name}/read")


@app.command()
def report(
    name: Name,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the page.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="Write it as PDF.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a line for each image.")] = None,
    examples: Annotated[bool, typer.Option("--examples", help="With --html: images, right, wrong and missed.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say how many images it would flag, how often that is right, and what it misses, as far as was read."""
    from miqa_node.features.pilot.examples import examples_of
    from miqa_node.features.pilot.figures import figures_of
    from miqa_node.features.pilot.lines import to_csv
    from miqa_node.features.pilot.report import pilot_html, pilot_pdf, pilot_text

    if examples and html is None:
        raise typer.BadParameter("--examples goes with --html")
    settings = settings_of(config, data_dir)
    language = settings.node.language
    with open_transaction(config, data_dir) as transaction:
        lines = lines_of(transaction, name, settings.policy, policy_of(settings))
        shown = examples_of(transaction, name, language) if examples else ()
    if html is not None:
        write_whole(html, pilot_html(lines, language, shown).encode())
    if pdf is not None:
        write_whole(pdf, pilot_pdf(lines, language))
    if csv is not None:
        write_whole(csv, to_csv(lines).encode())
    if as_json:
        print_json({"sha256": lines.sha256, "figures": to_json(figures_of(lines))})
    else:
        print_line(pilot_text(lines))
