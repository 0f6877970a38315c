"""``miqa-node retention``: what the node keeps and what it would remove; legal holds."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.object_store import MiB
from miqa_node.core.domain.retention import HoldExtent, LegalHold
from miqa_node.features.retention.command.whom import show_patients
from miqa_node.features.retention.rows import holds, patient_choice, retention
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, Authority, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction, opened
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.stages.receive.rows.reserve import WaitingCount

app = typer.Typer(
    no_args_is_help=True, help="What the node keeps and removes: plan, confirm, fetch, hold, clear, holds."
)

Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the hold.")]


@app.command()
def plan(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what the node keeps, why, and what retention would remove by age now."""
    settings = settings_of(config, data_dir)
    with opened(config, data_dir) as database, database.begin() as transaction:
        rows = retention.holdings(transaction, retention.AgeLimits.of(settings), datetime.now(UTC))
        kept_bytes = WaitingCount().count(transaction, datetime.now(UTC)).reserve_bytes(settings)
        days = upkeep.days_until_full(transaction, settings.node.name, kept_bytes)
        is_on = retention.is_on(transaction, settings.retention.enabled)
        waiting = next(retention_clock.alarms(transaction), None)
    space = objects_of(settings).space()
    if as_json:
        print_json(
            {
                "enabled": is_on,
                "waits_for_clock": waiting is not None,
                "groups": [{**asdict(row), "group": row.group.value} for row in rows],
                "free_bytes": None if space is None else space.free_bytes,
                "total_bytes": None if space is None else space.total_bytes,
                "kept_free_bytes": kept_bytes,
                "days_until_full": days if days < float("inf") else None,
            }
        )
        return
    print_table(
        ("Originals", Column("Number", number=True), Column("MiB", number=True), Column("Due", number=True),
         Column("MiB due", number=True)),
        ((row.group.value, str(row.images), _mib(row.size_bytes), str(row.due) if row.group.removable else "stay",
          _mib(row.due_bytes)) for row in rows),
    )  # fmt: skip
    if space is not None:
        print_line(f"free: {_mib(space.free_bytes)} of {_mib(space.total_bytes)} MiB ({space.free_percent:.0f} %)")
        print_line(f"stays free for images that wait, and by store.min_free_bytes: {_mib(kept_bytes)} MiB")
    if days < float("inf"):
        print_line(f"full in {days:.0f} days if the trend of the last week goes on")
    if waiting is not None:
        print_line(f"{waiting.subject}. {waiting.text}")
    if not is_on:
        print_line("Retention is off and removes nothing. Switch it on with retention.enabled = true.")


@app.command()
def confirm(
    yes: Annotated[bool, typer.Option("--yes", help="It is right; without it the time is only shown.")] = False,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Confirm that this machine's clock is right, after a step of it or a time without the node: retention goes on."""
    settings, now = settings_of(config, data_dir), datetime.now(UTC)
    if not yes:
        print_line(f"This machine's clock says {moment(now)}. If that is right: miqa-node retention confirm --yes")
        return
    with open_transaction(config, data_dir) as transaction:
        retention_clock.confirm(transaction, now)
        detail = {"clock": "confirmed for retention"}
        records.add(
            transaction, AuditEntry(AuditEvent.SETTINGS_CHANGED, now, actor or login(), "command", detail=detail)
        )
    print_line(f"confirmed: it is {moment(now)}. Retention goes on within {settings.retention.interval_s:.0f} s.")


@app.command()
def fetch(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Study, series or SOP instance UID, or digest.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetch originals that retention removed from the archives that retention.archives names.

    Exit code 1: some could not be fetched.
    """
    from miqa_node.features.retention.work.archives import ArchiveRetrieval, Archives
    from miqa_node.stages.deliver.destinations import Destinations

    settings = settings_of(config, data_dir)
    archives = Archives(Destinations(settings.destinations_file).current, settings)
    with opened(config, data_dir) as database:
        retrieval = ArchiveRetrieval(database, objects_of(settings), archives, settings).fetch(uid)
    if as_json:
        print_json(to_json(retrieval))
    else:
        for one in retrieval.missing:
            print_line(one)
        print_line(f"fetched: {retrieval.fetched}, not fetched: {len(retrieval.missing)}")
    if retrieval.missing:
        raise typer.Exit(Exit.FAILED)


@app.command()
def hold(
    study: Annotated[str, typer.Option("--study", metavar="UID", help="Study Instance UID.")] = "",
    patient: Annotated[
        str, typer.Option("--patient", metavar="ID", help="Patient ID: all studies, later ones too.")
    ] = "",
    authority: Authority = None,
    reason: Why = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whom the hold would be about.")] = False,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put a study or a patient on legal hold: nothing of it is removed or erased."""
    with opened(config, data_dir) as database:
        if patient:
            with database.begin() as transaction:
                everybody = patient_choice.named(transaction, patient)
            if (dry_run or len(everybody) > 1) and not as_json:
                show_patients(everybody)
        with database.begin() as transaction:
            if dry_run:
                _print_extent(holds.extent(transaction, study, patient, authority=authority), as_json=as_json)
                return
            by, now = actor or login(), datetime.now(UTC)
            put = holds.put(transaction, study, patient, reason, by, now, authority=authority)
    _print_hold(put, as_json=as_json)


@app.command()
def clear(
    hold_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the hold, as holds shows it.")],
    reason: Why = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End a legal hold."""
    with open_transaction(config, data_dir) as transaction:
        cleared = holds.clear(transaction, hold_id, reason, actor or login(), datetime.now(UTC))
    _print_hold(cleared, as_json=as_json)


@app.command("holds")
def list_holds(
    every: Annotated[bool, typer.Option("--all", help="Cleared ones, too.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List legal holds, newest first."""
    with open_transaction(config, data_dir) as transaction:
        rows = holds.select(transaction, cleared=every)
    if as_json:
        print_json([to_json(one) for one in rows])
        return
    print_table(
        (Column("ID", number=True), "Study Instance UID", "Patient ID", "Authority", "Reason", "Set by", "Set",
         "Cleared"),
        ((str(one.hold_id), one.study_instance_uid, one.patient_id, _authority(one), one.reason, one.set_by,
          moment(one.set_at), moment(one.cleared_at)) for one in rows),
    )  # fmt: skip


def _print_extent(extent: HoldExtent, *, as_json: bool) -> None:
    if as_json:
        print_json(to_json(extent))
        return
    print_line(f"would be held: studies {extent.studies}, images {extent.images}. Set the hold without --dry-run.")


def _print_hold(one: LegalHold, *, as_json: bool) -> None:
    if as_json:
        print_json(to_json(one))
        return
    what = (
        f"study {one.study_instance_uid}"
        if one.study_instance_uid
        else f"patient {one.patient_id} {_authority(one)}".rstrip()
    )
    state = f"cleared {moment(one.cleared_at)} by {one.cleared_by}" if one.cleared_at else "on legal hold"
    print_line(str(one.hold_id), what, state)


def _authority(one: LegalHold) -> str:
    """A hold of an earlier version is about everybody with the ID."""
    return "" if not one.patient_id else "(any)" if one.authority is None else one.authority


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MiB:,.0f}"
