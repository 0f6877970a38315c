"""``miqa-node rooms``, and ``tune`` without options: the sets of limits, and the rooms of the node below them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.errors import NotFoundError
from miqa_node.features.limits.room_list import RoomList, room_list
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.runtime.site_records import rooms, site_limits
from miqa_node.runtime.store.database import Transaction


def list_sets(config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Print all sets, and below them the rooms; as JSON the sets alone."""
    with open_transaction(config, data_dir) as transaction:
        limit_sets = site_limits.history(transaction)
        in_force = site_limits.current(transaction).number
        listed = room_list(transaction, settings_of(config, data_dir).policy)
    if as_json:
        print_json([{"in_force": one.number == in_force, **to_json(one)} for one in limit_sets])
        return
    print_table(
        (Column("Set", number=True), "", "Proposed", Column("Budget", number=True), "Confirmed", "By", "Comment"),
        (
            (str(one.number), "in force" if one.number == in_force else "", moment(one.proposed_at),
             f"{one.proposal.budget:.1%}" if one.proposal else "withdrawal",
             moment(one.confirmed_at) if one.confirmed_at else "learned" if one.in_force_at else "",
             one.actor, one.comment)
            for one in limit_sets
        ),
    )  # fmt: skip
    _print_rooms(listed)


def list_rooms(
    name: Annotated[
        str,
        typer.Option(
            "--seen", metavar="ROOM", help="Say that you have seen what is told of a room as listed, or a station."
        ),
    ] = "",
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the audit trail.")] = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the rooms, what each has learned, and what most images show.

    What most images show is told of the room as a whole, with what to check there, until somebody has seen it. With
    --json it names images that show it.
    """
    settings, now = settings_of(config, data_dir), datetime.now(UTC)
    with open_transaction(config, data_dir) as transaction:
        if name:
            _see(transaction, name, actor or login(), comment, now)
        listed = room_list(transaction, settings.policy)
    if as_json:
        print_json(to_json(listed.rooms))
    else:
        _print_rooms(listed)


def _see(transaction: Transaction, name: str, actor: str, comment: str, now: datetime) -> None:
    places = [room.place for room in rooms.unseen(transaction) if name in (str(room.place), room.place.room)]
    if not places:
        raise NotFoundError("Nothing is told of a room {name} that nobody has seen.", name=name)
    rooms.see(transaction, places, actor, comment, now)


def _print_rooms(listed: RoomList) -> None:
    """Each room with its state; nothing if there is none."""
    if listed.may_learn:
        print_line("The rooms of this node go by the limits of the policy; miqa-node tune --learn lets them learn.")
    if not listed.rooms:
        return
    print_table(
        ("Body part, room and view", "Package", "State", "Since", Column("Images", number=True), ""),
        (
            (str(one.look.place), one.look.place.package, one.look.state.value, _at(one.look.since),
             str(one.look.images or ""), one.why)
            for one in listed.rooms
        ),
    )  # fmt: skip
    for one in listed.rooms:
        if one.whole.unseen:
            print_line(f"{one.look.place}: most images show {one.shown}. {one.to_check}")


def _at(since: datetime | None) -> str:
    return "" if since is None else moment(since)
