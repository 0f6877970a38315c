"""What becomes of each image that was sent: the node's verdict, and the results that arrive at the PACS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.stages.deliver.kinds.base import DestinationConfig
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_selftest.launch import HOST, NodeProcess
from miqa_selftest.pacs import Arrival, ReceivingPacs
from miqa_selftest.radiographs import SampleImage
from miqa_selftest.send import StoreReceipt

VERDICT_LIMIT_S = 60.0
ARRIVAL_LIMIT_S = 30.0
POLL_S = 0.05


@dataclass(slots=True)
class SampleOutcome:
    """The outcome for one sample."""

    sample: SampleImage
    sent: StoreReceipt
    document: dict[str, Any] | None = None
    verdict_after_s: float = 0.0
    arrivals: dict[ResultKind, Arrival] = field(default_factory=dict)
    arrived_after_s: float = 0.0

    @property
    def disposition(self) -> dict[str, Any]:
        """The disposition from the REST interface; empty while it is pending."""
        return (self.document or {}).get("disposition") or {}

    @property
    def results(self) -> list[dict[str, Any]]:
        """The objects that the node made."""
        return (self.document or {}).get("results") or []


def modality_target(node: NodeProcess) -> DestinationConfig:
    """The node as a destination of the modality."""
    return CStoreConfig(name="node", ae_title=node.ae_title, host=HOST, port=node.dicom_port)


def wait(
    outcomes: Sequence[SampleOutcome], node: NodeProcess, pacs: ReceivingPacs, limit_s: float = VERDICT_LIMIT_S
) -> None:
    """Wait for every verdict, and then for every resulting object, each within its limit."""
    waiting = [outcome for outcome in outcomes if not outcome.sent.error]
    until = time.monotonic() + limit_s
    while waiting and time.monotonic() < until and node.running():
        for outcome in waiting:
            outcome.document = node.instance(outcome.sample.sop_instance_uid)
            if outcome.disposition and not outcome.verdict_after_s:
                outcome.verdict_after_s = time.monotonic() - outcome.sent.finished_at
                until = time.monotonic() + max(ARRIVAL_LIMIT_S, until - time.monotonic())
            for result in outcome.results:
                arrival = pacs.find(result["sop_instance_uid"])
                kind = ResultKind(result["kind"])
                if arrival is not None and kind not in outcome.arrivals:
                    outcome.arrivals[kind] = arrival
                    outcome.arrived_after_s = time.monotonic() - outcome.sent.finished_at
        # The verdict briefly precedes its result objects; every image has at least a report.
        waiting = [
            o
            for o in waiting
            if not o.disposition or not o.results or len(o.arrivals) < len({one["kind"] for one in o.results})
        ]
        time.sleep(POLL_S)
