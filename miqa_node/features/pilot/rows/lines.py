"""Reads all of a pilot as lines without patients, for its report."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import sqlalchemy as sa

from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings import PolicySettings
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.features.pilot.lines import PilotLine, PilotLines
from miqa_node.features.pilot.protocol import PilotProtocol
from miqa_node.features.pilot.rows import images, pilots, sample
from miqa_node.features.pilot.rows.images import PilotImage
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import logged_rejects


def lines_of(transaction: Transaction, name: str, settings: PolicySettings, policy: Policy) -> PilotLines:
    """A pilot as far as it went; ``policy`` says which findings a room learns."""
    stored = pilots.find(transaction, name)
    grades = {(one.image_id, one.reader): one.grade for one in sample.readings(transaction, name)}
    losses = sample.losses(transaction, name)
    every = images.select(transaction, name)
    days: defaultdict[str, set[date]] = defaultdict(set)
    for one in every:
        if one.day is not None:
            days[one.room].add(one.day)

    def line(one: PilotImage) -> PilotLine:
        first, second = ((grades.get((one.image_id, reader), "")) for reader in (*stored.readers, "", "")[:2])
        return PilotLine(
            outcome=one.outcome.value, room=one.room, modality=one.modality, body_part=one.body_part, view=one.view,
            month=f"{one.day:%Y-%m}" if one.day else "", verdict=one.verdict, findings=one.findings,
            is_hard=bool(one.findings) and images.is_hard(transaction, one, policy),
            why=one.failure or one.unassessed, stratum=one.stratum if one.drawn_order is not None else "",
            is_lost=one.image_id in losses, first=first, second=second, own=_own(one),
        )  # fmt: skip

    return PilotLines(
        pilot=name,
        sha256=stored.protocol_sha256,
        since=stored.protocol.since,
        until=stored.protocol.until,
        planned=stored.protocol.planned,
        erased=pilots.counts(transaction, name).erased,
        budget=settings.room_budget,
        learn_images=settings.learn_images,
        learn=stored.protocol.learn,
        days={room: len(worked) for room, worked in sorted(days.items())},
        strata=sample.strata(transaction, name),
        lines=[line(one) for one in every],
        rejects=_rejects(transaction, stored.protocol),
    )


def _own(one: PilotImage) -> str:
    return str(one.own["flagged"]) if one.own else ""


def _rejects(transaction: Transaction, protocol: PilotProtocol) -> dict[tuple[str, str, str], int]:
    """Of imported logs, in the period; those of logs without a modality count for each."""
    of = logged_rejects.c
    keys = of.room, of.code, of.finding
    mine = [of.day.between(protocol.since, protocol.until), of.modality.in_(["", *protocol.modalities])]
    mine += [of.body_part.in_(STANDARD.body_parts.spellings(protocol.body_part))] if protocol.body_part else []
    number = sa.func.count()
    query = sa.select(*keys, number).where(*mine).group_by(*keys).order_by(of.room, number.desc(), of.code, of.finding)
    return {(row[0], row[1], row[2]): row[3] for row in transaction.execute(query)}
