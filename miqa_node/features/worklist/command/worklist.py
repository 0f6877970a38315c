"""``miqa-node worklist``: the flagged studies, listed, shown, claimed, assigned, commented on, resolved, reopened."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.core.domain.instance import InstanceDigest, can_name, day
from miqa_node.core.domain.worklist import Resolution, WorklistItem, WorklistState
from miqa_node.core.settings import Settings
from miqa_node.features.worklist.command.conflicts import list_conflicts, settle
from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.features.worklist.rows import history, saved_views, worklist
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.filter_options import filtered_by
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, moment_option, settings_of
from miqa_node.interfaces.cli.output import Column, joined, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction, opened
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.site_store import objects_of

app = typer.Typer(
    no_args_is_help=True,
    help="Flagged studies: list, views, show, claim, assign, release, comment, resolve, reopen, correct, conflicts, "
    "settle.",
)

app.command("conflicts")(list_conflicts)
app.command("settle")(settle)

ALL_STUDIES = WorklistFilter()
StudyUid = Annotated[str, typer.Argument(metavar="STUDY_UID", help="Study Instance UID.")]


@app.command("list")
@filtered_by(
    WorklistFilter,
    verdict="REVIEW|REJECT|…",
    modality="CS",
    body_part="CS",
    view="CS",
    station="NAME",
    reason="NAME",
    pending_review="",
    every_list="",
    claimed_by="NAME",
    search="TEXT",
    accession_number="SH",
    uid="UID",
)
def list_(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    state: Annotated[
        list[WorklistState] | None,
        typer.Option(
            metavar="OPEN|CLAIMED|RESOLVED", case_sensitive=False, help="Repeatable; default is OPEN and CLAIMED."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All states, RESOLVED too.")] = False,
    criteria: WorklistFilter = ALL_STUDIES,
    since: Annotated[
        datetime | None,
        moment_option("Flagged then or later; ISO 8601, or 24h, 7d."),
    ] = None,
    until: Annotated[datetime | None, moment_option("Flagged before then.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only what you have claimed or were given; see --as.")] = False,
    actor: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who --mine means; default is the name of the login.")
    ] = None,
    saved: Annotated[str, typer.Option(metavar="NAME", help="A saved view; without other filters.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Maximum number.")] = 100,
    offset: Annotated[int, typer.Option(metavar="N", min=0, help="Number of newest entries to skip.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List flagged studies, newest first."""
    chosen = bool(state or every or mine or since or until) or criteria != ALL_STUDIES
    selection = criteria.model_copy(update={
        "state": () if every else tuple(state or worklist.UNRESOLVED),
        "claimed_by": (actor or login()) if mine else criteria.claimed_by,
        "since": since,
        "until": until,
    })  # fmt: skip
    with open_transaction(config, data_dir) as transaction:
        if saved:
            if chosen:
                raise typer.BadParameter("a view cannot be combined with other filters", param_hint="--saved")
            selection = _saved(transaction, saved, actor or login())
        items = worklist.select(transaction, selection, limit=limit, offset=offset)
        total = worklist.count(transaction, selection)
    if as_json:
        print_json({"items": [to_json(item) for item in items], "total": total, "limit": limit, "offset": offset})
        return
    if sys.stdout.isatty():
        _print_for_people(items)
    else:
        _print_rows(items)
    if total > len(items):
        typer.echo(f"{len(items)} of {total}", err=True)


def _saved(transaction: Transaction, name: str, person: str) -> WorklistFilter:
    from miqa_node.features.worklist.form import read_form

    return read_form(saved_views.load(transaction, name, person).query).filter(person)


@app.command()
def views(config: ConfigFile = None, data_dir: DataDir = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """List saved views of the worklist: your own, and those that others share."""
    with open_transaction(config, data_dir) as transaction:
        rows = saved_views.visible(transaction, actor or login())
    if as_json:
        print_json([to_json(view) for view in rows])
        return
    print_table(("View", "Owner", "Shared", "Filter"), (
        (view.name, view.owner, "yes" if view.is_shared else "no", view.query) for view in rows
    ))  # fmt: skip


def _print_for_people(items: Sequence[WorklistItem]) -> None:
    """Print a line for each reason of a study; in a table a terminal would break the UIDs, which people copy."""
    if not items:
        print_line("No study is flagged, or none that the options name.")
    for item in items:
        print_line(item.verdict.value, _state(item), moment(item.flagged_at), _kind(item), item.accession_number)
        print_line("   ", item.study_instance_uid)
        for reason in dict.fromkeys(reason for image in item.images for reason in image.reasons):
            print_line("   ", joined([reason]))


def _print_rows(items: Sequence[WorklistItem]) -> None:
    print_table(
        ("Verdict", "State", "Flagged", "Kind", "Reasons", "Accession", "Study Instance UID"),
        ((i.verdict.value, _state(i), moment(i.flagged_at), _kind(i), _reasons(i), i.accession_number,
          i.study_instance_uid) for i in items),
    )  # fmt: skip


@app.command()
def show(study_uid: StudyUid, config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one flagged study with its images and its history of actions."""
    with open_transaction(config, data_dir) as transaction:
        item = worklist.show(transaction, study_uid)
        events = history.of_worklist(transaction, study_uid)
    if as_json:
        print_json({**to_json(item), "events": [to_json(event) for event in events]})
        return
    _print_item(item)
    print_table(
        ("Verdict", Column("Score", number=True), "Kind", "Reasons", "SOP Instance UID"),
        (
            (image.verdict.value, "" if image.score is None else f"{image.score:.0f}",
             " ".join(filter(None, (image.modality, image.body_part, image.view))), joined(image.reasons),
             image.sop_instance_uid)
            for image in item.images
        ),
    )  # fmt: skip
    for certificate in dict.fromkeys(image.certificate for image in item.images if image.certificate):
        print_line(certificate)
    for event in events:
        print_line(moment(event.at), event.words, (f"by {event.actor}" if event.actor else "") + _said(event.comment))


@app.command()
def claim(
    study_uid: StudyUid,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Claim a flagged study; a study that another person claimed is reassigned."""
    with open_transaction(config, data_dir) as transaction:
        item = worklist.claim(transaction, study_uid, actor or login(), datetime.now(UTC))
    _print_changed(item, as_json=as_json)


@app.command()
def assign(
    study_uid: StudyUid,
    to: Annotated[str, typer.Option(metavar="NAME", help="Who gets it: an account that may decide.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a flagged study to a colleague, whoever has it."""
    with open_transaction(config, data_dir) as transaction:
        item = worklist.assign(transaction, study_uid, to, actor or login(), datetime.now(UTC))
    _print_changed(item, as_json=as_json)


@app.command()
def comment(
    study_uid: StudyUid,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is said; nobody can change it later.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Comment on a flagged study without deciding it."""
    if not text.strip():
        raise typer.BadParameter("say something", param_hint="TEXT")
    with open_transaction(config, data_dir) as transaction:
        item = worklist.comment(transaction, study_uid, text, actor or login(), datetime.now(UTC))
    _print_changed(item, as_json=as_json)


@app.command()
def release(
    study_uid: StudyUid,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put a claimed study back."""
    with open_transaction(config, data_dir) as transaction:
        item = worklist.unclaim(transaction, study_uid, actor or login(), datetime.now(UTC))
    _print_changed(item, as_json=as_json)


def _decision(text: str) -> Resolution:
    for one in Resolution:
        if text in (one.value, one.words):
            return one
    raise typer.BadParameter(f"{text!r} is not one of {', '.join(one.words for one in Resolution)}.")


@app.command()
def resolve(
    study_uid: StudyUid,
    resolution: Annotated[
        Resolution,
        typer.Argument(
            parser=_decision,
            metavar="rejected|retaken|dismissed|accepted",
            help="What was decided; confirmed is another word for rejected.",
        ),
    ],
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the item.")] = "",
    image_count: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Number of flagged images that were looked at; refused if there are more by now."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="CODE", help="Why, as a code value of DICOM CID 7011.")] = "",
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="DIGEST", help="A flagged image that it is about; repeatable; default is all of them."),
    ] = None,
    archive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of a rejection: a destination that gets a rejection note, on which it hides the images; repeatable; "
            "needs --reason.",
        ),
    ] = None,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Decide flagged images of a study: rejected, retaken, dismissed (the node was wrong), or accepted."""
    from miqa_node.features.worklist.decision import Decision, DecisionDesk

    settings, by = settings_of(config, data_dir), actor or login()
    decision = Decision(
        resolution, by, comment, reason, tuple(image or ()), archives=tuple(archive or ()), image_count=image_count
    )
    with opened(config, data_dir) as database:
        desk = DecisionDesk(database, objects_of(settings), settings, lambda: _archives(settings))
        item = desk.decide(study_uid, decision)
    _print_changed(item, as_json=as_json)


def _archives(settings: Settings) -> tuple[str, ...]:
    from miqa_node.core.domain.delivery import REJECTION
    from miqa_node.stages.deliver.destinations import Destinations

    return Destinations(settings.destinations_file).taking(REJECTION)


@app.command()
def reopen(
    study_uid: StudyUid,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why the decision is taken back; required.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a decision back: its labels no longer count, and a rejection note that waits is cancelled."""
    if not comment.strip():
        raise typer.BadParameter("say why the decision is taken back", param_hint="--comment")
    with open_transaction(config, data_dir) as transaction:
        reopening = worklist.reopen(transaction, study_uid, actor or login(), comment, datetime.now(UTC))
    if as_json:
        print_json(to_json(reopening))
    else:
        _print_item(reopening.item)
    for archive in reopening.must_restore:
        typer.echo(
            f"{archive} was asked to hide the image and must restore it itself: DICOM cannot undo that.",
            err=True,
        )


@app.command()
def correct(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="SHA-256 of the object, as `explain` shows it.")],
    study_uid: Annotated[
        str, typer.Option("--study-uid", metavar="UID", callback=_uid, help="Study Instance UID, if the file has none.")
    ] = "",
    series_uid: Annotated[
        str,
        typer.Option("--series-uid", metavar="UID", callback=_uid, help="Series Instance UID, if the file has none."),
    ] = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give an object the Study or Series Instance UID that its file lacks."""
    from miqa_node.features.worklist.rows import corrections

    with opened(config, data_dir) as database:
        corrected = corrections.give_uids(
            database, objects_of(settings_of(config, data_dir)), InstanceDigest(digest), study_uid, series_uid,
            actor or login(), datetime.now(UTC),
        )  # fmt: skip
    uids = {
        "study_instance_uid": corrected.header.study_instance_uid,
        "series_instance_uid": corrected.header.series_instance_uid,
    }
    if as_json:
        print_json({"digest": digest, **uids})
    else:
        print_line(*uids.values())


def _uid(text: str) -> str:
    if text and not can_name(text):
        raise typer.BadParameter("a UID has digits and dots, at most 64 of them")
    return text


def _print_changed(item: WorklistItem, *, as_json: bool) -> None:
    if as_json:
        print_json(to_json(item))
    else:
        _print_item(item)
        for one in item.comments:
            print_line(f"{moment(one.at)} {one.actor}{_said(one.text)}")


def _print_item(item: WorklistItem) -> None:
    print_line(item.verdict.value, _state(item), item.study_instance_uid)
    print_line(f"flagged {moment(item.flagged_at)}, accession {item.accession_number or '–'}, "
               f"study date {day(item.study_date) or '–'}")  # fmt: skip
    if item.resolved_at:
        print_line(f"resolved {moment(item.resolved_at)} by {item.resolved_by}{_said(item.comment)}")


def _said(comment: str) -> str:
    return f": “{comment}”" if comment else ""


def _state(item: WorklistItem) -> str:
    if item.state is WorklistState.CLAIMED:
        return f"CLAIMED by {item.claimed_by}"
    if item.state is WorklistState.RESOLVED and item.resolution:
        return f"RESOLVED: {item.outcome}"
    return item.state.value


def _kind(item: WorklistItem) -> str:
    kinds = (" ".join(filter(None, (image.modality, image.body_part, image.view))) for image in item.images)
    return ", ".join(dict.fromkeys(kinds))


def _reasons(item: WorklistItem) -> str:
    return joined(reason for image in item.images for reason in image.reasons)
