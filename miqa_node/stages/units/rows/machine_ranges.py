"""The confirmed usual ranges by which an image is judged: those of its machine now, or those of its first judgement."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.scanner_protocol import protocol_of
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.runtime.site_records import confirmed_ranges
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances as instance_rows
from miqa_node.runtime.store.tables import patients, source_headers
from miqa_node.stages.units.rows import instances

_WHOSE = (
    sa.select(source_headers.c.series_description, patients.c.authority)
    .select_from(instance_rows)
    .join(source_headers, source_headers.c.digest == instance_rows.c.digest, isouter=True)
    .join(patients, patients.c.patient_number == instance_rows.c.patient_number, isouter=True)
    .where(instance_rows.c.digest == sa.bindparam("digest"))
)


def ranges_for(transaction: Transaction, instance: StoredInstance, *, usual_now: bool) -> tuple[UsualRange, ...]:
    """Those of now; judged again those of the judgement before, unless those of now are asked for."""
    if instance.generation and not usual_now:
        before = instances.load_assessment(transaction, instance.digest)
        return before.usual_ranges if before is not None else ()
    own = protocol_of(instance.header, instance.calling_ae_title, "", "")
    if own is None or not confirmed_ranges.has_station(transaction, own.station):
        return ()
    row = transaction.execute(_WHOSE, {"digest": instance.digest}).one()
    named = row.series_description or "", row.authority or ""
    own = protocol_of(instance.header, instance.calling_ae_title, *named)
    return confirmed_ranges.ranges_of(transaction, own.baseline) if own is not None else ()
