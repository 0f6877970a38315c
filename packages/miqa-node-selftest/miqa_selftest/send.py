"""The modality of the self-test and of the demonstration: sends files over one association, as a scanner does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError
from miqa_node.stages.deliver.kinds.base import DeliveryContext, DestinationConfig, connect
from miqa_selftest.radiographs import SampleImage

MODALITY_AE_TITLE = "DEMOMODALITY"


@dataclass(frozen=True, slots=True)
class StoreReceipt:
    """Outcome of one C-STORE; ``finished_at`` (``time.monotonic``) is the time of the response."""

    finished_at: float
    error: str = ""


def send(samples: Sequence[SampleImage], node: DestinationConfig, settings: DeliverSettings) -> list[StoreReceipt]:
    """Send each sample to the node, in order; continue after a failure."""
    outcomes = []
    with closing(connect(node, DeliveryContext(settings, MODALITY_AE_TITLE))) as modality:
        for sample in samples:
            error = ""
            try:
                modality.send_one(sample.sop_class_uid, sample.sop_instance_uid, sample.data)
            except DeliveryError as failure:
                error = str(failure)
            outcomes.append(StoreReceipt(time.monotonic(), error))
    return outcomes
