"""``miqa-node tune``: proposes limits for an alarm budget from the site's own images, and puts them in force."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.site_limit import LimitProposal, LimitSet, RoomLimit, SiteLimits
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import all_finding_names
from miqa_node.features.limits import budget as budgets
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.runtime.store import site_limits
from miqa_node.runtime.store.database import Transaction

HIGHEST_BUDGET = 0.5


def tune(
    budget: Annotated[
        str, typer.Option(metavar="SHARE", help="Propose limits that flag this share of images, e.g. 8%.")
    ] = "",
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="FINDING[:ROOM[:VIEW]]=STRENGTH", help="Try a limit of your own; may be repeated."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the limits that you try as a set.")] = False,
    show: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show a set of limits again, with --limit as changed by it.")
    ] = 0,
    confirm: Annotated[int, typer.Option(metavar="N", min=0, help="Put a proposed set in force.")] = 0,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Go back to the limits of the policy.")] = False,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the limits.")] = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Propose limits of soft findings for each room and view from the site's own images; without options list all sets.

    A proposal says how many images would be flagged and which lie nearest to each limit. Nothing changes until
    somebody confirms it. Running processes follow within seconds; images that have a verdict keep it.
    """
    if sum((bool(budget), bool(show or limit), bool(confirm), withdraw)) > 1:
        raise typer.BadParameter("give only one of --budget, --show or --limit, --confirm and --withdraw")
    if keep and not limit:
        raise typer.BadParameter("--keep keeps what --limit tries")
    now, name = datetime.now(UTC), actor or login()
    if limit:
        _try(config, data_dir, [limit_of(text) for text in limit], now, base=show, keep=keep, as_json=as_json)
        return
    if budget:
        share = share_of(budget)
        policy = read_policy(settings_of(config, data_dir).policy_file)
        with open_transaction(config, data_dir) as transaction:
            limit_set = budgets.propose_limits(transaction, policy, share, now)
    elif confirm:
        with open_transaction(config, data_dir) as transaction:
            limit_set = site_limits.confirm(transaction, confirm, name, comment, now)
    elif withdraw:
        with open_transaction(config, data_dir) as transaction:
            limit_set = site_limits.withdraw(transaction, name, comment, now)
    elif show:
        with open_transaction(config, data_dir) as transaction:
            limit_set = site_limits.load(transaction, show)
    else:
        _list(config, data_dir, as_json=as_json)
        return
    if as_json:
        print_json(to_json(limit_set))
    else:
        _print(limit_set)


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

    >>> limit_of("noise:BEDSIDE:AP=0.6").place, limit_of("noise::AP=0.6").place
    ('BEDSIDE, AP', 'all other rooms, AP')
    """
    where, _, number = text.rpartition("=")
    name, _, place = where.partition(":")
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
    return RoomLimit(FindingName(name), room, view, strength)


def _try(
    config: Path | None,
    data_dir: Path | None,
    wishes: list[RoomLimit],
    now: datetime,
    *,
    base: int,
    keep: bool,
    as_json: bool,
) -> None:
    """What limits of one's own would do to the newest images, alone or in place of those of the set ``base``."""
    policy = read_policy(settings_of(config, data_dir).policy_file)
    with open_transaction(config, data_dir) as transaction:
        limits = {_place(one): one for one in (*_limits(transaction, base), *wishes)}
        proposal = budgets.appraise(budgets.newest_images(transaction, policy), list(limits.values()))
        limit_set = site_limits.propose(transaction, proposal, now) if keep else None
        in_force = site_limits.current(transaction)
    if as_json:
        print_json({"number": limit_set.number if limit_set else None, "proposal": to_json(proposal)})
    else:
        _print_proposal(proposal, limit_set)
        _print_changes(in_force, proposal)
        if limit_set is None:
            print_line("Nothing was kept. Add --keep to make it a set that can be confirmed.")
        else:
            _print_next(limit_set)


def _place(limit: RoomLimit) -> tuple[str, str, str]:
    return limit.finding, limit.room, limit.view


def _limits(transaction: Transaction, number: int) -> list[RoomLimit]:
    """The limits of a set; none without a number."""
    proposal = site_limits.load(transaction, number).proposal if number else None
    return [one.limit for one in proposal.limits] if proposal else []


def _list(config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    with open_transaction(config, data_dir) as transaction:
        limit_sets = site_limits.history(transaction)
        in_force = site_limits.current(transaction).number
    if as_json:
        print_json([{"in_force": one.number == in_force, **to_json(one)} for one in limit_sets])
        return
    print_table(
        (Column("Set", number=True), "", "Proposed", Column("Budget", number=True), "Confirmed", "By", "Comment"),
        (
            (str(one.number), "in force" if one.number == in_force else "", moment(one.proposed_at),
             f"{one.proposal.budget:.1%}" if one.proposal else "withdrawal",
             moment(one.confirmed_at) if one.confirmed_at else "", one.actor, one.comment)
            for one in limit_sets
        ),
    )  # fmt: skip


def _print(limit_set: LimitSet) -> None:
    proposal = limit_set.proposal
    if proposal is None:
        print_line(f"set {limit_set.number}: the limits of the policy apply again")
        return
    _print_proposal(proposal, limit_set)
    if proposal.always > proposal.budget * proposal.images:
        print_line("Other rules alone are beyond the budget: look at those first (miqa-node worklist list).")
    if limit_set.confirmed_at:
        print_line(f"in force since {moment(limit_set.confirmed_at)}, confirmed by {limit_set.actor}")
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
        ("Finding", "Room and view", *numbers, "Nearest images (strength)"),
        (
            (one.limit.finding, one.limit.place, f"{one.limit.least_strength:.2f}", str(one.images), str(one.present),
             str(one.flagged), ", ".join(f"{n.digest[:12]} ({n.strength:.2f})" for n in one.nearest[:4]))
            for one in proposal.limits
        ),
    )  # fmt: skip


def _print_changes(in_force: SiteLimits, proposal: LimitProposal) -> None:
    changes = budgets.difference(in_force.limits, [one.limit for one in proposal.limits], _words)
    print_line("Against the limits in force:" if changes else "These are the limits in force.")
    for line in changes:
        print_line(line)


def _words(limit: RoomLimit) -> str:
    return f"{limit.finding}, {limit.place}: {limit.least_strength:.2f}"


def _print_next(limit_set: LimitSet) -> None:
    print_line(f"Nothing has changed. Put it in force with: miqa-node tune --confirm {limit_set.number} --as NAME")
