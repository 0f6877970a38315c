"""The demonstration's modality: pushes files over one association, as a scanner does after an examination."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from miqa_node.deliver.cstore import CStoreDestination
from miqa_node.deliver.destinations import DestinationConfig
from miqa_node.demo.samples import Sample
from miqa_node.settings import DeliverSettings

MODALITY_AE_TITLE = "DEMOMODALITY"


@dataclass(frozen=True, slots=True)
class Sent:
    """How one C-STORE ended; the response was there at ``finished_at``, on the clock of ``time.monotonic``."""

    finished_at: float
    error: str = ""


def send(samples: Sequence[Sample], node: DestinationConfig, settings: DeliverSettings) -> list[Sent]:
    """Store each sample at the node, in order; a failure does not keep the others back."""
    outcomes = []
    with closing(CStoreDestination(node, settings, MODALITY_AE_TITLE)) as modality:
        for sample in samples:
            [error] = modality.send([(sample.sop_class_uid, sample.sop_instance_uid, sample.data)])
            outcomes.append(Sent(time.monotonic(), str(error or "")))
    return outcomes
