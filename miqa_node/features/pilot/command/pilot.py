"""``miqa-node pilot``: plan a pilot on images of the past, and run it; it tells nobody."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from miqa_node import __version__
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.object_store import MiB
from miqa_node.core.observe.progress import tell
from miqa_node.core.settings import Settings
from miqa_node.features.pilot.archive import Way
from miqa_node.features.pilot.pace import Hours, Pace, idle_answer_s, nights
from miqa_node.features.pilot.past_rooms import past_rooms
from miqa_node.features.pilot.progress import PilotCounts
from miqa_node.features.pilot.protocol import PilotProtocol
from miqa_node.features.pilot.rows import images, pilots
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, read_day, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.site_choice import policy_of
from miqa_node.interfaces.cli.store import opened
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import activations
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.site_store import open_store

if TYPE_CHECKING:
    from miqa_node.features.pilot.campaign import Limits

app = typer.Typer(
    no_args_is_help=True, help="A pilot on images of the past, which tells nobody: plan, report, run, sample."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens.")]
PaceOption = Annotated[float, typer.Option("--pace", metavar="N", min=0.01, max=1000.0, help="Images a second.")]
HoursOption = Annotated[str, typer.Option("--hours", metavar="HH:MM-HH:MM", help="When it may fetch.")]
RESULT_BYTES = 6_000
"""What is kept of an image: its assessment, and its rows."""
FILES_PER_S = 1000.0
"""The pace of files, which no archive has to give."""


@app.command()
def plan(
    name: Name,
    source: Annotated[
        list[str], typer.Option("--from", metavar="NAME|./PATH", help="A destination, or paths (with a slash).")
    ],
    modality: Annotated[str, typer.Option(metavar="CS[,CS]", help="Modalities of the images.")] = "DX,CR",
    since: Annotated[str, typer.Option(metavar="DAY", help="First day, as 2026-10-01; needed for an archive.")] = "",
    until: Annotated[str, typer.Option(metavar="DAY", help="Last day; default is yesterday.")] = "",
    body_part: Annotated[str, typer.Option(metavar="CS", help="Only this body part.")] = "",
    learn: Annotated[bool, typer.Option("--learn", help="Rooms learn limits of their own from these images.")] = False,
    pace: PaceOption = 1.0,
    hours: HoursOption = "22:00-06:00",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask how many images there are, and fix the protocol; nothing is fetched yet."""
    from miqa_node.features.pilot.opening import archive_named, is_archive, opened_source
    from miqa_node.stages.assess.active import chosen_package
    from miqa_node.stages.assess.package_checks import package_label

    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    at_night = Hours.read(hours)
    from_archive = is_archive(source)
    if from_archive:
        archive_named(settings, source[0])
        if not since:
            raise typer.BadParameter("say since when: --since 2026-10-01")
    with _database(settings) as database:
        with database.begin() as transaction:
            folder = chosen_package(settings, activations.current(transaction))
            if learn:
                past_rooms().check(transaction, settings.policy)
        protocol = PilotProtocol(
            name=name,
            sources=tuple(source),
            is_archive=from_archive,
            modalities=tuple(sorted({one.strip().upper() for one in modality.split(",")})),
            since=read_day(since) if since else date(1900, 1, 1),
            until=read_day(until)
            if until
            else settings.node.day(datetime.now(UTC)) - timedelta(days=int(from_archive)),
            body_part=settings.imaging.anatomy.body_parts.canonical(body_part) if body_part else "",
            planned=0,
            rooms={},
            body_parts={},
            seed=secrets.token_hex(16),
            model=package_label(folder) if folder else "",
            policy=policy_of(settings).version,
            software=f"miqa-node {__version__}",
            learn=learn,
        )
        with TemporaryDirectory() as scratch, opened_source(settings, database, protocol, Path(scratch)) as images_of:
            protocol, days = protocol.counted([one for day in images_of.days() for one in images_of.count(day)])
            missing = dict(images_of.missing)
        with database.begin() as transaction:
            now, who = datetime.now(UTC), actor or login()
            pilots.plan(transaction, protocol, days, who, now)
            for day, why in missing.items():
                pilots.note_missing(transaction, name, day, why)
            _record(transaction, who, "plan", protocol, {"planned": protocol.planned})
    in_hours = at_night if from_archive else None
    _show_plan(protocol, days, missing, pace if from_archive else FILES_PER_S, in_hours, as_json)


@app.command()
def run(
    name: Name,
    pace: PaceOption = 1.0,
    hours: HoursOption = "22:00-06:00",
    now: Annotated[bool, typer.Option("--now", help="Fetch at any hour.")] = False,
    by: Annotated[
        Way,
        typer.Option(
            "--by",
            metavar="any|get|move",
            help="How objects come from a destination of kind cstore.",
            case_sensitive=False,
        ),
    ] = Way.ANY,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetch and judge the images of a plan, and tell nobody; the same command goes on after any end.

    Exit code 1: the archive could not give or list some images, or does not answer any more.
    """
    from miqa_node.features.pilot.campaign import Campaign
    from miqa_node.features.pilot.judging import PilotJudge
    from miqa_node.features.pilot.opening import only_run, opened_source

    settings, when = settings_of(config, data_dir), Hours.read(hours)
    with opened(config, data_dir) as database, only_run(settings) as folder:
        with database.begin() as transaction:
            stored = pilots.find(transaction, name)
        protocol, who = stored.protocol, actor or login()
        note(database, who, "run", protocol, {})
        with (
            opened_source(settings, database, protocol, folder, by) as source,
            closing(PilotJudge(settings, past_rooms() if protocol.learn else None)) as judge,
        ):
            idle_s = stored.idle_s or (idle_answer_s(source.ask) if protocol.is_archive else 0.0)
            with database.begin() as transaction:
                pilots.note_idle(transaction, name, idle_s)
            limits = limits_for(settings, protocol, idle_s, pace, None if now else when, as_json=as_json)
            try:
                counts = Campaign(database, protocol, source, judge, limits, folder, _tell).run()
            finally:
                with database.begin() as transaction:
                    counts = pilots.counts(transaction, name)
                    failures = images.failures(transaction, name)
                    missing = pilots.missing(transaction, name)
                note(database, who, "run ended", protocol, asdict(counts))
                _show_counts(name, counts, failures, missing, as_json=as_json)
    if failures or missing:
        raise typer.Exit(Exit.FAILED)


def limits_for(
    settings: Settings, protocol: PilotProtocol, idle_s: float, pace: float, hours: Hours | None, *, as_json: bool
) -> Limits:
    """How fast a command may fetch, and when; files have neither. It says that it waits, unless programs read it."""
    from miqa_node.features.pilot.campaign import Limits

    def waits(seconds: float) -> None:
        if hours is not None and not as_json:
            print_line(f"waits {seconds / 3600:.1f} h until {hours.since:%H:%M} (--now: at once)")

    return Limits(
        Pace(pace if protocol.is_archive else FILES_PER_S, idle_s),
        hours if protocol.is_archive else None,
        lambda: datetime.now(settings.node.zone).replace(tzinfo=None),
        waits=waits,
    )


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The node's database; a site that tries the node first has none yet."""
    database, _ = open_store(settings)
    with closing(database):
        database.migrate()
        yield database


def _show_plan(
    protocol: PilotProtocol,
    days: dict[tuple[str, str], int],
    missing: dict[str, str],
    pace: float,
    hours: Hours | None,
    as_json: bool,
) -> None:
    seconds, in_nights = nights(protocol.planned, pace, hours)
    kept_bytes = protocol.planned * RESULT_BYTES
    if as_json:
        by_day = [{"day": day, "modality": modality, "images": images} for (day, modality), images in days.items()]
        print_json(
            {
                "sha256": protocol.sha256, "protocol": to_json(protocol), "days": by_day, "missing": missing,
                "fetching_s": seconds, "nights": in_nights, "disk_bytes": kept_bytes,
            }
        )  # fmt: skip
        return
    print_table(("Day", "Modality", Column("Images", number=True)), ((*key, str(n)) for key, n in sorted(days.items())))
    _show_missing(missing)
    for what, numbers in (("rooms", protocol.rooms), ("body parts", protocol.body_parts)):
        named = ", ".join(f"{one or 'unknown until fetched'} {number}" for one, number in sorted(numbers.items()))
        print_line(f"{what}: {named or 'none'}")
    print_line(
        f"{protocol.name}: {protocol.planned} images; about {seconds / 60:,.0f} min of fetching"
        + (f", {in_nights:.1f} nights ({hours.since:%H:%M}-{hours.until:%H:%M})" if hours else "")
    )
    print_line(f"disk: about {kept_bytes / MiB:,.0f} MiB for results; originals go one by one when they are judged")
    print_line(f"protocol SHA-256: {protocol.sha256}")
    print_line(f"Nothing was fetched yet: miqa-node pilot run {protocol.name}")


def _show_missing(missing: dict[str, str]) -> None:
    for day, why in missing.items():
        print_line(f"{day[:4]}-{day[4:6]}-{day[6:]}: {why}")


def _show_counts(
    name: str, counts: PilotCounts, failures: list[tuple[str, str]], missing: dict[str, str], *, as_json: bool
) -> None:
    if as_json:
        for day, why in missing.items():
            print_json({"day": day, "missing": why})
        for uid, words in failures:
            print_json({"image": uid, "failure": words})
        print_json(asdict(counts))
        return
    _show_missing(missing)
    for words, number in sorted(Counter(words for _, words in failures).items()):
        print_line(f"{number} not delivered: {words}")
    print_line(
        f"{name}: {counts.planned} planned, {counts.found} found, {counts.fetched} fetched, {counts.judged} judged, "
        f"{counts.flagged} flagged, {counts.not_assessed} not assessed, {counts.failed} failed"
    )
    print_line(
        f"only counted: {counts.known} the node had before, {counts.other} of another body part, "
        f"{counts.erased} of patients who were erased; {counts.waiting} wait"
    )


def _tell(counts: PilotCounts, more: int) -> None:
    done = counts.found - counts.waiting + more
    total = max(counts.planned, counts.found, done + 1)
    tell("Fetching", done, total, f"{done} of {total}, {counts.flagged} flagged")


def note(database: Database, who: str, action: str, protocol: PilotProtocol, detail: dict[str, int]) -> None:
    """Write down who did what, in the audit trail."""
    with database.begin() as transaction:
        _record(transaction, who, action, protocol, detail)


def _record(transaction: Transaction, who: str, action: str, protocol: PilotProtocol, detail: dict[str, int]) -> None:
    """Query, person and counts stand in the audit trail."""
    query = {
        "from": list(protocol.sources), "modalities": list(protocol.modalities), "since": str(protocol.since),
        "until": str(protocol.until), "body_part": protocol.body_part, "learn": protocol.learn,
    }  # fmt: skip
    what = {"pilot": protocol.name, "action": action, **(query if action == "plan" else {}), **detail}
    records.add(transaction, AuditEntry(AuditEvent.IMPORTED, datetime.now(UTC), who, "command", detail=what))
