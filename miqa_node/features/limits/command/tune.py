"""``miqa-node tune``: the rooms and their limits, limits of one's own, and what a folder of images teaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import FEW_DEFECTS, LimitProposal, LimitSet, ProposedLimit, RoomLimit, SiteLimits
from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import all_finding_names
from miqa_node.features.limits import own_limits
from miqa_node.features.limits.command.rooms import list_sets
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.runtime.site_records import rooms, site_limits
from miqa_node.runtime.store.database import Transaction

HIGHEST_BUDGET = 0.5


def tune(
    budget: Annotated[
        str,
        typer.Option(
            metavar="SHARE", help="With --from: share of images that may be flagged, e.g. 8%. Else policy.room_budget."
        ),
    ] = "",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FOLDER", exists=True, file_okay=False,
            help="Without a node: learn what is usual in a folder of images, which are one room.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="With --from: the file to write, limits.toml.")
    ] = None,
    modality: Annotated[str, typer.Option(metavar="CS", help="With --from: of PNG and JPEG files.")] = "DX",
    body_part: Annotated[
        str, typer.Option(metavar="CS", help="With --from: of PNG and JPEG files; default: the pixels say.")
    ] = "",
    view: Annotated[str, typer.Option(metavar="CS", help="With --from: of PNG and JPEG files.")] = "",
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[PACKAGE/[PART/]]FINDING[:ROOM[:VIEW]]=STRENGTH", help="Try a limit of your own; may be repeated."
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the limits that you try as a set.")] = False,
    show: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show a set of limits again, with --limit as changed by it.")
    ] = 0,
    simulate: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Put simulated defects on own images: what does a set find of them?"),
    ] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Try limits without simulated defects.")] = False,
    confirm: Annotated[int, typer.Option(metavar="N", min=0, help="Put a proposed set in force.")] = 0,
    second_look: Annotated[
        bool,
        typer.Option("--second-look", help="Confirm a set that finds fewer simulated defects than today."),
    ] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Go back to the limits of the policy.")] = False,
    learn: Annotated[
        bool, typer.Option("--learn", help="Let all rooms learn anew; their limits stay in force until then.")
    ] = False,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the limits.")] = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List what rooms have learned, confirm it or let them learn anew, and try limits of your own.

    Rooms learn by themselves; policy.room_budget is the share of their images that may be flagged. Limits of your own
    are tried on the newest images: how many would be flagged, which lie nearest to each limit, and how many simulated
    defects are found on some of them, which takes up to a minute. Nothing changes until somebody confirms them.
    Running processes follow within seconds; images that have a verdict keep it.

    With --from a folder is one room, whatever its headers say: what it learns from at least policy.learn_images images
    is written to a file, by which `assess --limits` and `models certify --limits` judge. No node is asked, and none is
    changed. Exit code 1: a file could not be read; the others teach.
    """
    if source is not None or out is not None:
        others = (limit, keep, show, simulate, quick, confirm, second_look, withdraw, learn, comment, actor)
        if source is None or out is None or any(others):
            raise typer.BadParameter("--from and --out go together, with no other option than --budget")
        described = modality, body_part, view
        _learn(
            settings_of(config, data_dir), source, out, share_of(budget) if budget else None, described, as_json=as_json
        )
        return
    if budget:
        raise typer.BadParameter(
            "--budget goes with --from; the budget of a node is the setting policy.room_budget, by which --learn lets "
            "all rooms learn anew"
        )
    if sum((bool(show or limit), bool(simulate), bool(confirm), withdraw, learn)) > 1:
        raise typer.BadParameter("give only one of --show or --limit, --simulate, --confirm, --withdraw and --learn")
    if keep and not limit:
        raise typer.BadParameter("--keep keeps what --limit tries")
    now, name = datetime.now(UTC), actor or login()
    if limit:
        trial = OwnLimits([limit_of(text) for text in limit], base=show, keep=keep, quick=quick)
        _try(config, data_dir, trial, now, as_json=as_json)
        return
    if simulate:
        limit_set = _simulate(config, data_dir, simulate)
    elif confirm:
        with open_transaction(config, data_dir) as transaction:
            limit_set = site_limits.confirm(transaction, confirm, name, comment, now, second_look=second_look)
    elif withdraw:
        with open_transaction(config, data_dir) as transaction:
            limit_set = site_limits.withdraw(transaction, name, comment, now)
    elif show:
        with open_transaction(config, data_dir) as transaction:
            limit_set = site_limits.load(transaction, show)
    else:
        if learn:
            settings_of(config, data_dir).policy.images_to_learn()
            with open_transaction(config, data_dir) as transaction:
                rooms.learn_anew(transaction, name, comment, now)
        list_sets(config, data_dir, as_json=as_json)
        return
    _print(limit_set, as_json=as_json)


def _learn(
    settings: Settings,
    source: Path,
    out: Path,
    budget: float | None,
    described: tuple[str, str, str],
    *,
    as_json: bool,
) -> None:
    """Write what the images of a folder teach."""
    from miqa_node.features.limits.command.folder_room import UNREADABLE, learned_folder, print_room

    quiet_logs(settings)
    if not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {out.parent} for {out.name} does not exist")
    room = learned_folder(settings, source, described, budget)
    write_whole(out, room.text)
    if as_json:
        print_json(room.document)
    else:
        print_room(room, source, out)
    if unreadable := room.left_out.get(UNREADABLE):
        typer.echo(f"{unreadable} of the files could not be read.", err=True)
        raise typer.Exit(Exit.FAILED)


def share_of(text: str) -> float:
    """A share such as 8% or 0.08.

    >>> share_of("8%"), share_of("0.08")
    (0.08, 0.08)
    """
    try:
        share = float(text.strip().removesuffix("%")) / (100.0 if text.strip().endswith("%") else 1.0)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not a share, such as 8%") from error
    if not 0.0 < share <= HIGHEST_BUDGET:
        raise typer.BadParameter(f"a budget lies above 0 and at or below {HIGHEST_BUDGET:.0%}, not at {text}")
    return share


def limit_of(text: str) -> RoomLimit:
    """A limit such as noise=0.6 (all other rooms), noise:BEDSIDE=0.6 or noise:BEDSIDE:AP=0.6.

    Without a package it is about the quality package's images; any-radiograph/KNEE/noise=0.6 is about knees that
    another one judged.

    >>> limit_of("noise:BEDSIDE:AP=0.6").place, limit_of("noise::AP=0.6").place
    ('BEDSIDE, AP', 'all other rooms, AP')
    >>> limit_of("any-radiograph/knee/noise:ROOM1=0.6").place
    'KNEE, ROOM1'
    """
    where, _, number = text.rpartition("=")
    about, _, place = where.partition(":")
    of, _, name = about.rpartition("/")
    package, _, part = of.partition("/")
    room, _, view = place.rpartition(":") if ":" in place else (place, "", "")
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not 0.0 <= strength <= 1.0:
        raise typer.BadParameter(f"{text} is not a limit, such as noise:BEDSIDE:AP=0.6, with a strength from 0 to 1")
    if name not in all_finding_names():
        meant = get_close_matches(name, all_finding_names(), 1)
        hint = f"; did you mean {meant[0]}?" if meant else ""
        raise typer.BadParameter(f"there is no finding {name}{hint}")
    return own_limits.limit_for(FindingName(name), room, view, strength, package, part)


@dataclass(frozen=True, slots=True)
class OwnLimits:
    """Limits of one's own, alone or in place of those of the set ``base``; ``quick``: without simulated defects."""

    wishes: Sequence[RoomLimit]
    base: int
    keep: bool
    quick: bool


def _simulate(config: Path | None, data_dir: Path | None, number: int) -> LimitSet:
    """The set with what its limits find today."""
    settings = settings_of(config, data_dir)
    policy = read_policy(settings.policy_file)
    with open_transaction(config, data_dir) as transaction:
        limit_set = site_limits.load(transaction, number)
        images = own_limits.newest_images(transaction, policy)
    if limit_set.proposal is None:
        return limit_set
    proposal = _on_own_images(settings, policy, limit_set.proposal, images)
    with open_transaction(config, data_dir) as transaction:
        return site_limits.amend(transaction, number, proposal)


def _try(config: Path | None, data_dir: Path | None, trial: OwnLimits, now: datetime, *, as_json: bool) -> None:
    """What limits of one's own would do to the newest images."""
    settings = settings_of(config, data_dir)
    policy = read_policy(settings.policy_file)
    with open_transaction(config, data_dir) as transaction:
        limits = {(one.finding, one.where): one for one in (*_limits(transaction, trial.base), *trial.wishes)}
        images = own_limits.newest_images(transaction, policy)
        in_force = site_limits.current(transaction)
    proposal = own_limits.appraise(images, list(limits.values()), policy)
    if not trial.quick:
        proposal = _on_own_images(settings, policy, proposal, images)
    limit_set = None
    if trial.keep:
        with open_transaction(config, data_dir) as transaction:
            limit_set = site_limits.propose(transaction, proposal, now)
    if as_json:
        print_json({"number": limit_set.number if limit_set else None, "proposal": to_json(proposal)})
    else:
        _print_proposal(proposal, limit_set)
        _print_changes(in_force, proposal)
        if limit_set is None:
            print_line("Nothing was kept. Add --keep to make it a set that can be confirmed.")
        else:
            _print_next(limit_set)


def _limits(transaction: Transaction, number: int) -> list[RoomLimit]:
    """The limits of a set; none without a number."""
    proposal = site_limits.load(transaction, number).proposal if number else None
    return [one.limit for one in proposal.limits] if proposal else []


def _print(limit_set: LimitSet, *, as_json: bool) -> None:
    if as_json:
        print_json(to_json(limit_set))
        return
    proposal = limit_set.proposal
    if proposal is None:
        print_line(f"set {limit_set.number}: the limits of the policy apply again")
        return
    _print_proposal(proposal, limit_set)
    if limit_set.confirmed_at:
        print_line(f"in force since {moment(limit_set.confirmed_at)}, confirmed by {limit_set.actor}")
    elif limit_set.in_force_at:
        print_line(
            f"put in force by the node on {moment(limit_set.in_force_at)}; confirm it with: miqa-node tune "
            f"--confirm {limit_set.number} --as NAME"
        )
    else:
        _print_next(limit_set)


def _print_proposal(proposal: LimitProposal, limit_set: LimitSet | None) -> None:
    budget = f", budget {proposal.budget:.1%}" if limit_set else ""
    name = f"set {limit_set.number}" if limit_set else "a trial"
    print_line(
        f"{name}: of {proposal.images} images {proposal.flagged} would be flagged"
        f" ({proposal.flagged / proposal.images:.1%}{budget}); {proposal.before} by the policy "
        f"without it, {proposal.always} by other rules in any case"
    )
    if a_day := proposal.per_day(proposal.flagged):
        days = "1 day" if proposal.days == 1 else f"{proposal.days} days"
        print_line(f"That is {a_day:.1f} a day on {days}; {proposal.per_day(proposal.before):.1f} without it.")
    numbers = (Column(text, number=True) for text in ("Limit", "Images", "Present", "Flagged"))
    print_table(
        ("Finding", "Package", "Body part, room and view", *numbers, "Nearest images (strength)"),
        (
            (one.limit.finding, one.limit.package, one.limit.place, f"{one.limit.least_strength:.2f}", str(one.images),
             str(one.present), str(one.flagged),
             ", ".join(f"{n.digest[:12]} ({n.strength:.2f})" for n in one.nearest[:4]))
            for one in proposal.limits
        ),
    )  # fmt: skip
    _print_second_side(proposal, limit_set.number if limit_set else 0)


def _print_second_side(proposal: LimitProposal, number: int) -> None:
    """What the limits find of simulated defects."""
    if not proposal.is_simulated:
        print_line(f"Not simulated: miqa-node tune --simulate {number}" if number else "Not simulated.")
        return
    print_line("Simulated defects on own images (severity .5, .75 and 1) that these limits find:")
    numbers = (Column(text, number=True) for text in ("Found", "Of", "Today"))
    print_table(
        ("Finding", "Package", "Body part, room and view", *numbers, ""),
        (
            (one.limit.finding, one.limit.package, one.limit.place, str(one.found), str(one.simulated),
             str(one.found_today), _remark(one))
            for one in proposal.limits if one.simulated
        ),
    )  # fmt: skip


def _remark(one: ProposedLimit) -> str:
    few = ["too few to rely on"] if (one.simulated or 0) < FEW_DEFECTS else []
    return ", ".join([*few, *(["less than today: confirm it with --second-look"] if one.finds_less else [])])


def _print_changes(in_force: SiteLimits, proposal: LimitProposal) -> None:
    changes = own_limits.difference(in_force.limits, [one.limit for one in proposal.limits], _words)
    print_line("Against the limits in force:" if changes else "These are the limits in force.")
    for line in changes:
        print_line(line)


def _words(limit: RoomLimit) -> str:
    package = f" ({limit.package})" if limit.package else ""
    return f"{limit.finding}, {limit.place}{package}: {limit.least_strength:.2f}"


def _print_next(limit_set: LimitSet) -> None:
    print_line(f"Nothing has changed. Put it in force with: miqa-node tune --confirm {limit_set.number} --as NAME")


def _on_own_images(
    settings: Settings, policy: Policy, proposal: LimitProposal, images: Sequence[Assessment]
) -> LimitProposal:
    """The proposal with its second side."""
    from miqa_node.features.limits.command.own_images import tried_on_own_images

    return tried_on_own_images(settings, policy, proposal, images)
