"""What each image shows of its place; what rooms learned is made anew, what people confirmed stays

Revision ID: 0077
Revises: 0076
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

PLACE = ("package", "body_part", "room", "view", "detector")
NOISES = ("grain_over_structure", "noise_share")
"""The measurements of which confirmed ranges could flag by the policy that ships."""

NUMBERS = ("images", "always", "before", "flagged", "tail", "days")
rooms = sa.table(
    "rooms", *(sa.column(name) for name in ("state", "so_far")),
    *(sa.column(name, sa.DateTime) for name in ("changed_at", "began_at", "taught_since")),
)  # fmt: skip
sets = sa.table(
    "site_limits",
    *(sa.column(name, sa.DateTime) for name in ("proposed_at", "confirmed_at", "in_force_at")),
    *(sa.column(name) for name in ("number", "actor", "comment")),
    sa.column("document", sa.JSON),
)
confirmed = sa.table(
    "confirmed_ranges", sa.column("history"), sa.column("actor"), sa.column("confirmed_at", sa.DateTime),
    sa.column("ranges", sa.JSON),
)  # fmt: skip
machines = sa.table("usual_baselines", *map(sa.column, ("baseline", "station", "serial_number", "body_part", "view")))


def upgrade() -> None:
    op.create_table(
        "room_images",
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in PLACE),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("exposure", sa.String(16), nullable=False),
        sa.Column("graph", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("label", "software")),
        sa.Column("is_left", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("degrees", "flags", "bounds")),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("always", "is_severe")),
    )
    op.create_index("ix_room_images_place", "room_images", ["room", "body_part", "view", "at"])
    # Limits stay in force until the node has looked at the images of the room, all of which teach.
    now = datetime.now(UTC).replace(tzinfo=None)
    anew = {"state": "expired", "changed_at": now, "began_at": now, "so_far": 0, "taught_since": None}
    op.execute(sa.update(rooms).where(rooms.c.state.in_(["provisional", "expired"])).values(anew))
    _ranges_become_limits(op.get_bind())


def _ranges_become_limits(connection: sa.Connection) -> None:
    """What a person confirmed of a machine is a limit of its place, too, in one more set with those in force.

    A policy of before, with rules of "usual" ranges that no room learns, goes on by the ranges.
    """
    of = machines.c
    joined = confirmed.join(machines, of.baseline == confirmed.c.history)
    rows = connection.execute(sa.select(confirmed, machines).select_from(joined)).all()
    limits = [_limit(row, one) for row in rows for one in row.ranges if one["measurement"] in NOISES]
    if not limits:
        return
    is_on = sa.or_(sets.c.confirmed_at.is_not(None), sets.c.in_force_at.is_not(None))
    before = connection.execute(sa.select(sets).where(is_on).order_by(sets.c.number.desc()).limit(1)).first()
    document: dict[str, Any] = dict.fromkeys(NUMBERS, 0) | {"budget": 0.0, "groups": {}, "limits": []}
    document |= (before.document if before is not None else None) or {}
    document["limits"] = [*document["limits"], *limits]
    newest = max(rows, key=lambda row: row.confirmed_at)
    named = before if before is not None else newest
    in_force_at = None if before is None else before.in_force_at
    values = {"document": document, "actor": named.actor, "comment": "usual ranges that were confirmed"}
    values |= {"proposed_at": newest.confirmed_at, "confirmed_at": named.confirmed_at, "in_force_at": in_force_at}
    connection.execute(sa.insert(sets).values(values))


def _limit(row: Any, one: dict[str, Any]) -> dict[str, Any]:
    where = {"package": "", "body_part": row.body_part, "room": row.station, "view": row.view}
    limit = {"finding": one["measurement"], "least_strength": one["high"], "detector": row.serial_number, **where}
    numbers = {"images": one["series"], "present": 0, "flagged": 0, "nearest": []}
    return {"limit": {**limit, "replaces": True}, **numbers}
