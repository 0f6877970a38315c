"""A metric of the site's own, counted in the database when ``/metrics`` is asked for: stored objects by modality."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from prometheus_client import Gauge

from miqa_node.api import REGISTRY, GaugeKind

miqa_api = 1
STORED = Gauge("site_stored_objects", "Stored objects by modality.", ["modality"], registry=REGISTRY)


def count(transaction: Any, _now: datetime) -> None:
    """Count and set; at most every five seconds, however often somebody asks."""
    for modality, number in transaction.execute(sa.text("SELECT modality, count(*) FROM instances GROUP BY modality")):
        STORED.labels(modality=modality).set(number)


KIND = GaugeKind("stored", lambda: count)
