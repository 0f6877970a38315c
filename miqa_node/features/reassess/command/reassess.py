"""``miqa-node reassess``: images are judged again, after a fault was fixed or with another model or policy."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from miqa_node.core.domain.reassessment import MAX_REASSESSMENTS, ReassessmentFilter, ReassessmentPlan
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Settings
from miqa_node.errors import ModelPackageError
from miqa_node.features.reassess.reassessment import Reassessment
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, moment_option, settings_of
from miqa_node.interfaces.cli.output import joined, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.interfaces.cli.store import opened
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.runtime.work.queue import DurableQueue
from miqa_node.stages.assess.active import ActiveModels


def reassess(
    uid: Annotated[
        list[str] | None,
        typer.Argument(metavar="UID...", help="Study, series or SOP instance UIDs, or digests.", show_default=False),
    ] = None,
    since: Annotated[
        datetime | None,
        moment_option("Judged then or later; ISO 8601, or 24h, 7d."),
    ] = None,
    until: Annotated[datetime | None, moment_option("Judged before then.")] = None,
    verdict: Annotated[
        list[Verdict] | None,
        typer.Option(metavar="NOT_ASSESSED|REVIEW|…", case_sensitive=False, help="Their verdict now; repeatable."),
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[-VERSION]", help="The quality package that judged them; repeatable."),
    ] = None,
    because: Annotated[
        str, typer.Option(metavar="TEXT", help="Part of a reason, such as why an image was not assessed.")
    ] = "",
    limit: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=MAX_REASSESSMENTS,
            help="Maximum number of matching images, each slice counted, the oldest first.",
        ),
    ] = 1000,
    usual_now: Annotated[
        bool, typer.Option("--usual-now", help="By the usual ranges of machines of now, not those of the last verdict.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only what would be done is shown.")] = False,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with each request.")] = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Judge images again, behind those that arrive; without --yes only show which ones.

    The verdict in force stays until the new one is there. New reports name the ones before as their predecessors.
    """
    chosen = ReassessmentFilter(
        tuple(uid or ()), since, until, tuple(verdict or ()), tuple(package or ()), because, limit
    )
    settings = settings_of(config, data_dir)
    with opened(config, data_dir) as database:
        queue = DurableQueue(database, lambda: "")
        service = Reassessment(database, objects_of(settings), queue, partial(_obstacle, settings))
        plan = service.plan(chosen)
        who, now = actor or login(), datetime.now(UTC)
        request_count = service.begin(plan, who, comment, now, usual_now=usual_now) if yes else 0
    if as_json:
        print_json({**to_json(plan), "queued": request_count, "dry_run": not yes})
    else:
        _print_plan(plan, request_count, done=yes)


def _obstacle(settings: Settings, *, series: bool) -> str:
    """Why no package of the node with these settings can be used here; empty if one can."""
    try:
        return ActiveModels(settings, partial(choice_of, settings)).obstacle(series=series)
    except ModelPackageError as error:
        return str(error)


def _print_plan(plan: ReassessmentPlan, request_count: int, *, done: bool) -> None:
    print_table(
        ("Verdict", "Judged", "Modality", "Package", "Reasons", "SOP Instance UID", "Obstacle"),
        (
            (one.verdict.value, moment(one.decided_at), one.modality, one.package, joined(one.reasons),
             one.sop_instance_uid, one.obstacle)
            for one in plan.candidates
        ),
    )  # fmt: skip
    remainder = len(plan.candidates) - len(plan.possible)
    if remainder:
        print_line(f"{remainder} cannot be judged again; the last column says why.")
    if plan.truncated:
        print_line("More match than --limit allows; run it again for the rest.")
    if done:
        print_line(f"{request_count} queued.")
    else:
        print_line(f"{len(plan.possible)} would be judged again. Nothing was changed; add --yes to do it.")
