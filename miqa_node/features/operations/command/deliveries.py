"""``miqa-node deliveries``: lists deliveries, and holds, releases, resends or cancels them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.delivery import DeliveryAction, DeliveryState
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.stages.deliver.rows import delivery_jobs

app = typer.Typer(no_args_is_help=True, help="Deliveries of results: list, show, hold, release, resend, cancel.")

Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the delivery, as list shows it.")]
Ids = Annotated[
    list[int] | None, typer.Argument(metavar="ID...", min=1, help="Numbers of deliveries, as list shows them.")
]
States = Annotated[
    list[DeliveryState] | None,
    typer.Option("--state", metavar="QUEUED|FAILED|…", case_sensitive=False, help="Only in this state; repeatable."),
]
To = Annotated[str, typer.Option("--destination", metavar="NAME", help="Only to this destination.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="SR|SEG|KOS|…", case_sensitive=False, help="Only objects of this kind; repeatable."),
]
Uid = Annotated[
    str, typer.Option("--uid", metavar="UID", help="UID of the result, or of the image, series or study it is about.")
]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; kept with the delivery.")]


@app.command("list")
def list_(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    state: States = None,
    destination: To = "",
    kind: Kinds = None,
    uid: Uid = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Maximum number.")] = 100,
    offset: Annotated[int, typer.Option(metavar="N", min=0, help="Number of newest entries to skip.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List deliveries, newest first."""
    selection = delivery_jobs.DeliveryFilter(tuple(state or ()), destination, tuple(kind or ()), uid)
    with open_transaction(config, data_dir) as transaction:
        jobs = delivery_jobs.select(transaction, selection, limit=limit, offset=offset)
        total = delivery_jobs.count(transaction, selection)
    if as_json:
        print_json({"items": [to_json(job) for job in jobs], "total": total, "limit": limit, "offset": offset})
        return
    print_table(
        (Column("ID", number=True), "State", "Destination", "Kind", Column("Attempts", number=True), "Queued", "Next",
         Column("Image", cut=True), "Last error or note"),
        ((str(job.delivery_id), job.state.value, job.destination, job.kind, str(job.attempts),
          moment(job.queued_at), moment(job.next_attempt_at) if job.state is DeliveryState.QUEUED else "",
          job.source_sop_instance_uid, job.last_error or job.note) for job in jobs),
    )  # fmt: skip
    if total > len(jobs):
        typer.echo(f"{len(jobs)} of {total}", err=True)


@app.command()
def show(delivery_id: Id, config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one delivery and its history of actions."""
    with open_transaction(config, data_dir) as transaction:
        job, events = delivery_jobs.show(transaction, delivery_id)
    if as_json:
        print_json({**to_json(job), "events": [to_json(event) for event in events]})
        return
    print_line(job.state.value, f"{job.kind} {job.sop_instance_uid} to {job.destination}")
    print_line(f"of image {job.source_sop_instance_uid}, study {job.study_instance_uid}")
    times = [f"queued {moment(job.queued_at)}", f"attempts {job.attempts}",
             f"sent {moment(job.sent_at)}" if job.sent_at else "",
             f"committed {moment(job.committed_at)}" if job.committed_at else ""]  # fmt: skip
    print_line(", ".join(filter(None, times)))
    if job.last_error:
        print_line("last error:", job.last_error)
    if job.note:
        print_line("note:", job.note)
    for event in events:
        print_line(moment(event.at), event.action, f"by {event.actor}{f': “{event.comment}”' if event.comment else ''}")


def _command_of(action: DeliveryAction) -> Callable[..., None]:
    """The command of one action; all choose deliveries by the same options."""

    def command(
        delivery_ids: Ids = None,
        state: States = None,
        destination: To = "",
        kind: Kinds = None,
        uid: Uid = "",
        comment: Comment = "",
        actor: Actor = None,
        config: ConfigFile = None,
        data_dir: DataDir = None,
        as_json: AsJson = False,
    ) -> None:
        chosen = _Chosen(delivery_ids, state, destination, kind, uid)
        _act(action, chosen, comment, actor, config, data_dir, as_json=as_json)

    return command


for _action, _words in (
    (DeliveryAction.HOLD, "Do not send until released: deliveries by number, or all that the options name."),
    (DeliveryAction.RELEASE, "Send what is held."),
    (DeliveryAction.RESEND, "Send again, whatever became of it: the same object with the same UID."),
    (DeliveryAction.CANCEL, "Never send; what was sent already stays where it is."),
):
    app.command(_action.value, help=_words)(_command_of(_action))


class _Chosen:
    """Deliveries chosen by number or by filter, never both. One of the two is required."""

    def __init__(
        self,
        delivery_ids: list[int] | None,
        state: list[DeliveryState] | None,
        destination: str,
        kind: list[str] | None,
        uid: str,
    ) -> None:
        self.ids = list(dict.fromkeys(delivery_ids or ()))
        self.filter = (tuple(state or ()), destination, tuple(kind or ()), uid)
        if bool(self.ids) == any(self.filter):
            raise typer.BadParameter("give numbers of deliveries, or --destination, --state, --kind or --uid")


def _act(
    action: DeliveryAction,
    chosen: _Chosen,
    comment: str,
    actor: str | None,
    config: Path | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    now, who = datetime.now(UTC), actor or login()
    with open_transaction(config, data_dir) as transaction:
        for delivery_id in chosen.ids:
            delivery_jobs.act(transaction, action, delivery_id, who, comment, now)
        count = len(chosen.ids)
        if not chosen.ids:
            selection = delivery_jobs.DeliveryFilter(*chosen.filter)
            count = delivery_jobs.act_on_all(transaction, action, selection, who, comment, now)
    if as_json:
        print_json({"action": action.value, "deliveries": count, "state": action.leads_to.value})
    else:
        print_line(action.leads_to.value, f"{count} deliver{'y' if count == 1 else 'ies'}")
