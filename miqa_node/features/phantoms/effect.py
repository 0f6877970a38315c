"""Lists series recognised as phantoms, and keeps what was measured of them with the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import lacks_resources, place_of
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms.facts import facts_of
from miqa_node.features.phantoms.kind_named import MeasureAgain, measuring_again
from miqa_node.features.phantoms.measuring import measure_phantom
from miqa_node.features.phantoms.origin import ScanFacts, origin_of
from miqa_node.features.phantoms.rows import scans
from miqa_node.features.phantoms.rows.scans import PhantomScan
from miqa_node.features.phantoms.values import PhantomReadings
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import EffectKind
from miqa_node.stages.units.base import UnitContext
from miqa_node.stages.units.rows import series

log = structlog.get_logger(__name__)

NAME = "phantom"


class PhantomEffect(Effect):
    """The list of phantom series, so that nothing is hidden from people silently, and the log of their values."""

    def __init__(self, context: UnitContext, measure_again: MeasureAgain) -> None:
        self._context = context
        self._measure_again = measure_again

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Measure a phantom whose files are here; a second run measures the same."""
        if not (conclusion.unit.needs_others and conclusion.assessment.phantom and conclusion.is_reported):
            return conclusion
        scans = self._measure(conclusion)
        return replace(conclusion, of_features={**conclusion.of_features, NAME: scans})

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Add the series, and its values in place of earlier ones; values of a patient are withdrawn."""
        if not conclusion.unit.needs_others:
            return
        c, header = conclusion, conclusion.instance.header
        phantoms.record(transaction, c.instance, c.assessment, c.decided_at)
        measured = c.of_features.get(NAME)
        if isinstance(measured, tuple):
            scans.replace_scans(transaction, header, c.instance.digest, measured, c.decided_at)
            word = scans.kind_said(transaction, header)
            if word and any(one.readings.kind != word for one in measured):  # it was said while this was measured
                self._measure_again(transaction, c.instance.digest, c.decided_at)
        elif c.assessment.phantom:
            scans.restore(transaction, header)
        elif not c.assessment.quarantined:
            scans.withdraw(transaction, header, c.decided_at)

    def _measure(self, conclusion: Conclusion) -> tuple[PhantomScan, ...]:
        instance, header = conclusion.instance, conclusion.instance.header
        with self._context.database.begin() as transaction:
            arrived = series.files(transaction, header)
            kind = scans.kind_said(transaction, header) or conclusion.assessment.phantom_kind
        files = {one.digest: self._context.artifacts.path(one.object_key) for one in arrived if not one.conflicting}
        tools = self._context.imaging.for_slices(instance.calling_ae_title)
        try:
            readings: Sequence[PhantomReadings] = measure_phantom(header, list(files.items()), tools, kind)
        except Exception as error:
            if lacks_resources(error):
                raise  # it is measured later
            # A measure that fails on an odd object must not keep the series from its verdict.
            digest = instance.digest[:16]
            log.error("phantom not measured", digest=digest, error=type(error).__name__, where=place_of(error))
            readings = ()
        made = []
        for one in readings or (PhantomReadings(header.series_instance_uid, kind, ()),):
            read_on = next((value.read_on for value in one.values if value.read_on is not None), None)
            path = files.get(InstanceDigest(read_on.digest) if read_on else instance.digest)
            facts = ScanFacts() if path is None else facts_of(path, read_on.frame if read_on else 0)
            made.append(PhantomScan(one, origin_of(header, instance.calling_ae_title, facts)))
        return tuple(made)


KIND = EffectKind(NAME, lambda context: PhantomEffect(context.unit, measuring_again(context.queue)), order=35)
