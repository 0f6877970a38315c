"""``miqa-node tune`` without options: the sets of limits, and the rooms of the node below them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from miqa_node.features.limits.room_list import RoomList, room_list
from miqa_node.interfaces.cli.options import settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.runtime.site_records import site_limits


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
             moment(one.confirmed_at) if one.confirmed_at else "provisional" if one.in_force_at else "",
             one.actor, one.comment)
            for one in limit_sets
        ),
    )  # fmt: skip
    _print_rooms(listed)


def _print_rooms(listed: RoomList) -> None:
    """Each room with its state; nothing if there is none."""
    if listed.may_learn:
        print_line("The rooms of this node go by the limits of the policy; miqa-node tune --learn lets them learn.")
    if not listed.rooms:
        return
    numbers = Column("Images", number=True), Column("Found", number=True)
    print_table(
        ("Body part, room and view", "Package", "State", "Since", *numbers, ""),
        (
            (str(one.look.place), one.look.place.package, one.look.state.value, _at(one.look.since),
             str(one.look.images or ""), "" if one.look.found is None else f"{one.look.found:.0%}", one.why)
            for one in listed.rooms
        ),
    )  # fmt: skip


def _at(since: datetime | None) -> str:
    return "" if since is None else moment(since)
