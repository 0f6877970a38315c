"""Makes scans of phantoms in a store, as the pipeline leaves them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms.history import ScanKey
from miqa_node.features.phantoms.origin import ScanFacts, origin_of
from miqa_node.features.phantoms.rows import log, scans
from miqa_node.features.phantoms.rows.scans import PhantomScan
from miqa_node.features.phantoms.values import PhantomReadings, PhantomValue, Region, SliceRead
from miqa_node.runtime.store.database import Database
from miqa_node.stages.units.rows import instances
from tests.features.usual_ranges.ranges_making import measure

FIRST_AT = datetime(2026, 3, 2, 8)  # noqa: DTZ001 - a scanner's clock has no zone
MR: dict[str, Any] = {
    "modality": "MR",
    "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4",
    "rows": 256,
    "columns": 256,
    "station_name": "MR1",
    "manufacturer": "ACME",
    "manufacturer_model_name": "Tesla 3",
    "detector_id": "SN7",
    "protocol_name": "ACR T1",
    "convolution_kernel": "",
}
PIU, PSG = "piu_percent", "psg_percent"
WHY = Phrase("The slice has no signal.")


def key(number: int, stack: int = 0) -> ScanKey:
    """That of a scan."""
    return ScanKey(f"1.2.8.{number}", f"1.2.7.{number}", stack)


def scan(
    database: Database,
    number: int,
    numbers: Mapping[str, float | None],
    *,
    kind: str = "acr_mr_large",
    at: datetime | None = None,
    coil: str = "Head 20",
    tube: str = "",
    stack: int = 0,
    why: Phrase = WHY,
    **changed: Any,
) -> InstanceDigest:
    """A series of one scan, by default one a week; ``changed`` are of its header, None was not measured (``why``)."""
    at = at or FIRST_AT + timedelta(weeks=number)
    digest = measure(database, number, at, {}, fields={"phantom": "It is round."}, **{**MR, **changed})
    values = tuple(_value(name, one, digest, why) for name, one in numbers.items())
    with database.begin() as transaction:
        instance, now = instances.load(transaction, digest), datetime.now(UTC)
        assessment = instances.load_assessment(transaction, digest)
        assert assessment is not None
        phantoms.record(transaction, instance, assessment, now)
        facts = ScanFacts("ACR T1 axial", coil, tube, 20.0)
        readings = PhantomReadings(instance.header.series_instance_uid, kind, values, stack, stack + 1)
        made = PhantomScan(readings, origin_of(instance.header, "SENDER", facts))
        scans.replace_scans(transaction, instance.header, digest, [made], now)
    return digest


def _value(name: str, value: float | None, digest: str, why: Phrase) -> PhantomValue:
    circle = Region("CIRCLE", ((128.0, 128.0), (200.0, 128.0)), "mean")
    read_on = SliceRead("1.2.3.7", digest, 0, 7, "slice_7")
    one = PhantomValue(name, value, "%", Phrase("Width of the phantom on slice 1."), "Guide, test 5")
    if value is None:
        return replace(one, reason=why)
    return replace(one, read_on=read_on, regions=(circle,))


def only_history(database: Database) -> str:
    """The name of the only one."""
    with database.begin() as transaction:
        [one] = log.all_of(transaction)
    return one.history
